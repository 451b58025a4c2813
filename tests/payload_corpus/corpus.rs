//! The corpus: what somebody, some day, has put into a queue, and what must become of it.
//!
//! What each case must become is written here by hand; asking the library's own parser would prove nothing.

/// A payload and its fate.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// In `dead`, byte for byte, with a reason beside it.
    Buried,
    /// It runs; its handler sees these arguments under this jid.
    Runs { jid: String, args: String },
    /// It fails in an ordinary way: in `retry`, with its error's fields after all its own bytes.
    Retried,
}

/// All of it. Every payload is different from all others, since a sorted set keeps equal ones once.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    no_json(&mut cases);
    no_text(&mut cases);
    no_job(&mut cases);
    odd_arguments(&mut cases);
    odd_envelopes(&mut cases);
    odd_names(&mut cases);
    unfit_arguments(&mut cases);
    cases
}

fn buried(cases: &mut Vec<Case>, name: &str, bytes: impl Into<Vec<u8>>) {
    cases.push(Case {
        name: name.to_owned(),
        bytes: bytes.into(),
        fate: Fate::Buried,
    });
}

fn no_json(cases: &mut Vec<Case>) {
    let broken = [
        ("empty", ""),
        ("a blank", " "),
        ("a line break", "\n"),
        ("only an opening", "{"),
        ("only a closing", "}"),
        ("one closing too many", "{}}"),
        ("half a word", "nul"),
        ("a number without digits", "-"),
        ("NaN", "NaN"),
        ("Infinity", "-Infinity"),
        ("undefined", "undefined"),
        ("XML", "<job class='Echo'/>"),
        ("YAML", "class: Echo\nargs: []\njid: y1"),
        ("single quotes", "{'class':'Echo','args':[],'jid':'x1'}"),
        ("bare keys", r#"{class:"Echo",args:[],jid:"x2"}"#),
        (
            "a comma at the end of the object",
            r#"{"class":"Echo","args":[],"jid":"x3",}"#,
        ),
        (
            "a comma at the end of the array",
            r#"{"class":"Echo","args":[1,],"jid":"x4"}"#,
        ),
        ("two commas", r#"{"class":"Echo",,"args":[],"jid":"x5"}"#),
        ("no colon", r#"{"class" "Echo","args":[],"jid":"x6"}"#),
        (
            "a comment",
            r#"{"class":"Echo",/* hi */"args":[],"jid":"x7"}"#,
        ),
        ("cut in a string", r#"{"class":"Echo","args":["half"#),
        ("cut after a backslash", r#"{"class":"Echo","args":["\"#),
        ("cut after a colon", r#"{"class":"Echo","args":"#),
        ("cut in the array", r#"{"class":"Echo","args":[1,2"#),
        (
            "cut before the end",
            r#"{"class":"Echo","args":[],"jid":"x8""#,
        ),
        ("two objects", r#"{"class":"Echo","args":[],"jid":"x9"}{}"#),
        (
            "text behind it",
            r#"{"class":"Echo","args":[],"jid":"xa"} x"#,
        ),
        (
            "a leading zero",
            r#"{"class":"Echo","args":[01],"jid":"xb"}"#,
        ),
        ("a plus sign", r#"{"class":"Echo","args":[+1],"jid":"xc"}"#),
        (
            "no digit before the point",
            r#"{"class":"Echo","args":[.5],"jid":"xd"}"#,
        ),
        (
            "no digit behind the point",
            r#"{"class":"Echo","args":[1.],"jid":"xe"}"#,
        ),
        ("no exponent", r#"{"class":"Echo","args":[1e],"jid":"xf"}"#),
        (
            "a hexadecimal number",
            r#"{"class":"Echo","args":[0x10],"jid":"xg"}"#,
        ),
        (
            "an unknown escape",
            r#"{"class":"Echo","args":["\x41"],"jid":"xh"}"#,
        ),
        (
            "a short \\u",
            r#"{"class":"Echo","args":["\u12"],"jid":"xi"}"#,
        ),
        (
            "a wrong word",
            r#"{"class":"Echo","args":[True],"jid":"xj"}"#,
        ),
        (
            "brackets crossed",
            r#"{"class":"Echo","args":[{]},"jid":"xk"}"#,
        ),
        (
            "a key that is no string",
            r#"{"class":"Echo","args":[],"jid":"xl",1:2}"#,
        ),
    ];
    for (name, text) in broken {
        buried(cases, name, text);
    }
    buried(cases, "a million openings", "[".repeat(1_000_000));
    buried(
        cases,
        "100,000 objects never closed",
        r#"{"a":"#.repeat(100_000),
    );
    let never_closed = format!(
        r#"{{"class":"Echo","args":{},"jid":"xm"}}"#,
        "[".repeat(1_000_000)
    );
    buried(
        cases,
        "arguments a million deep, never closed",
        never_closed,
    );
    let crossed = "[".repeat(99_999) + "}" + &"]".repeat(99_999);
    let crossed = format!(r#"{{"class":"Echo","args":{crossed},"jid":"xn"}}"#);
    buried(cases, "one wrong bracket in 100,000", crossed);
    buried(cases, "3 MB of blanks", " ".repeat(3_000_000));
    buried(cases, "3 MB of nothing", "A".repeat(3_000_000));
    buried(
        cases,
        "3 MB without a closing quote",
        format!(r#"{{"class":"{}"#, "A".repeat(3_000_000)),
    );
}

/// Bytes that are no UTF-8, or text where JSON has none.
fn no_text(cases: &mut Vec<Case>) {
    let inside = |bytes: &[u8], jid: &str| {
        let mut all = br#"{"class":"Echo","args":[""#.to_vec();
        all.extend(bytes);
        all.extend(format!(r#""],"jid":"{jid}"}}"#).bytes());
        all
    };
    for (name, jid, bytes) in [
        ("no UTF-8: 0xff", "u1", &b"\xff"[..]),
        ("no UTF-8: Latin-1", "u2", b"caf\xe9"),
        ("no UTF-8: too long a form of NUL", "u3", b"\xc0\x80"),
        ("no UTF-8: half a surrogate pair", "u4", b"\xed\xa0\x80"),
        (
            "no UTF-8: a pair of them (CESU-8)",
            "u5",
            b"\xed\xa0\xbd\xed\xb8\x80",
        ),
        ("no UTF-8: cut", "u6", b"\xe2\x82"),
        ("no UTF-8: beyond U+10FFFF", "u7", b"\xf4\x90\x80\x80"),
        ("a NUL in a string", "u8", b"a\0b"),
        ("a line break in a string", "u9", b"a\nb"),
        ("a tab in a string", "ua", b"a\tb"),
        ("an escape character in a string", "ub", b"\x1b[31m"),
    ] {
        buried(cases, name, inside(bytes, jid));
    }
    let job = r#"{"class":"Echo","args":[],"jid":"uc"}"#;
    buried(cases, "a byte order mark", format!("\u{feff}{job}"));
    buried(
        cases,
        "a byte order mark inside",
        job.replace(r#","jid""#, ",\u{feff}\"jid\""),
    );
    buried(
        cases,
        "a no-break space between",
        job.replace(',', "\u{a0},"),
    );
    buried(cases, "U+2028 between", job.replace(',', "\u{2028},"));
    buried(cases, "a form feed between", job.replace(',', "\u{c},"));
    buried(cases, "a NUL behind", format!("{job}\0"));
    buried(cases, "a NUL alone", "\0");
    let wide = |order: fn(u16) -> [u8; 2]| job.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    buried(cases, "UTF-16, little end first", wide(u16::to_le_bytes));
    buried(cases, "UTF-16, big end first", wide(u16::to_be_bytes));
    buried(
        cases,
        "gzip",
        &b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"[..],
    );
    buried(
        cases,
        "Ruby's Marshal",
        &b"\x04\x08{\x06I\"\ncl\x06:\x06ET[\0"[..],
    );
    buried(
        cases,
        "MessagePack",
        &b"\x82\xa5class\xa4Echo\xa4args\x90"[..],
    );
    buried(cases, "all byte values", (0..=255).collect::<Vec<u8>>());
    let mut random = fastrand::Rng::with_seed(2);
    for round in 1..=5 {
        let noise: Vec<u8> = (0..round * 1000).map(|_| random.u8(..)).collect();
        buried(cases, &format!("noise {round}"), noise);
    }
}

/// JSON that is no job.
fn no_job(cases: &mut Vec<Case>) {
    for text in [
        "null",
        "true",
        "false",
        "42",
        "-0",
        r#""job""#,
        "[]",
        r#"["Echo",[]]"#,
        "{}",
        r#" {"a":1} "#,
    ] {
        buried(cases, &format!("{text:?} for a job"), text);
    }
    for (number, (class, args, jid)) in [
        ("", r#""args":[]"#, r#""jid":"n1""#),
        (r#""class":"Echo""#, "", r#""jid":"n2""#),
        (r#""class":"Echo""#, r#""args":[]"#, ""),
        (r#""class":null"#, r#""args":[]"#, r#""jid":"n3""#),
        (r#""class":7"#, r#""args":[]"#, r#""jid":"n4""#),
        (r#""class":true"#, r#""args":[]"#, r#""jid":"n5""#),
        (r#""class":["Echo"]"#, r#""args":[]"#, r#""jid":"n6""#),
        (r#""class":{"Echo":1}"#, r#""args":[]"#, r#""jid":"n7""#),
        (r#""class":"""#, r#""args":[]"#, r#""jid":"n8""#),
        (r#""class":"\ud800""#, r#""args":[]"#, r#""jid":"n9""#),
        (r#""Class":"Echo""#, r#""args":[]"#, r#""jid":"na""#),
        (r#""class":"Echo""#, r#""args":null"#, r#""jid":"nb""#),
        (r#""class":"Echo""#, r#""args":{}"#, r#""jid":"nc""#),
        (r#""class":"Echo""#, r#""args":"[]""#, r#""jid":"nd""#),
        (r#""class":"Echo""#, r#""args":5"#, r#""jid":"ne""#),
        (r#""class":"Echo""#, r#""args":[]"#, r#""jid":null"#),
        (r#""class":"Echo""#, r#""args":[]"#, r#""jid":12345"#),
        (r#""class":"Echo""#, r#""args":[]"#, r#""jid":"""#),
        (r#""class":"Echo""#, r#""args":[]"#, r#""jid":["nf"]"#),
        (r#""class":"Echo""#, r#""args":[]"#, r#""jid":"\udc00x""#),
        // Of a name that comes twice the last counts, as in Ruby.
        (
            r#""class":"Echo""#,
            r#""args":[],"args":null"#,
            r#""jid":"ng""#,
        ),
        (
            r#""class":"Echo","class":1"#,
            r#""args":[]"#,
            r#""jid":"nh""#,
        ),
        (
            r#""class":"Echo""#,
            r#""args":[]"#,
            r#""jid":"ni","jid":"""#,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let fields: Vec<&str> = [class, args, jid]
            .into_iter()
            .filter(|field| !field.is_empty())
            .collect();
        let text = format!("{{{}}}", fields.join(","));
        buried(cases, &format!("no job {number}: {text}"), text);
    }
}

/// Arguments that a parser or a printer might change or trip over: each runs, and each also fails and is retried.
fn odd_arguments(cases: &mut Vec<Case>) {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let deep_objects =
        |levels: usize| format!("[{}1{}]", r#"{"k":"#.repeat(levels), "}".repeat(levels));
    let arguments = [
        ("nothing", "[]".to_owned()),
        ("blanks", "[ \t\r\n ]".to_owned()),
        ("null", "[null]".to_owned()),
        ("empty containers", "[[],{},\"\",[[]],[{}]]".to_owned()),
        ("2^53 + 1", "[9007199254740993]".to_owned()),
        (
            "2^64",
            "[18446744073709551616,-18446744073709551617]".to_owned(),
        ),
        ("a number of 400 digits", format!("[{}]", "9".repeat(400))),
        ("1e400", "[1e400,-1E+400,1e-400]".to_owned()),
        ("minus zero", "[-0,-0.0,0e0]".to_owned()),
        ("1.10", "[1.10,1.0,100e-2,0.1e+1]".to_owned()),
        (
            "a fraction of 1,000 digits",
            format!("[0.{}]", "3".repeat(1000)),
        ),
        ("NUL, escaped", r#"["\u0000","a\u0000b"]"#.to_owned()),
        (
            "half surrogate pairs",
            r#"["\ud800","\udc00\ud800","\ud83d\ude00"]"#.to_owned(),
        ),
        ("U+2028 and U+2029", "[\"\u{2028}\u{2029}\"]".to_owned()),
        ("a byte order mark in a string", "[\"\u{feff}\"]".to_owned()),
        (
            "characters that are none",
            "[\"\u{fffe}\u{ffff}\u{10ffff}\"]".to_owned(),
        ),
        ("emoji", "[\"👩‍👩‍👧‍👦🏳️‍🌈\",\"\\ud83d\\udca9\"]".to_owned()),
        ("right to left", "[\"\u{202e}txt.exe\",\"שלום\"]".to_owned()),
        (
            "combining marks",
            format!("[\"Z{}\"]", "\u{334}".repeat(1000)),
        ),
        ("DEL and C1", "[\"\u{7f}\u{85}\u{9b}31m\"]".to_owned()),
        (
            "escapes one may write or not",
            r#"["\/","/","\u0041","\b\f\n\r\t\"\\"]"#.to_owned(),
        ),
        (
            "names that come twice",
            r#"[{"a":1,"a":2,"":0,"":1}]"#.to_owned(),
        ),
        (
            "names of JavaScript",
            r#"[{"__proto__":{"x":1},"constructor":null}]"#.to_owned(),
        ),
        (
            "Ruby's create_additions",
            r#"[{"json_class":"Object","^o":"Object"}]"#.to_owned(),
        ),
        (
            "serde_json's private names",
            r#"[{"$serde_json::private::Number":"1","$serde_json::private::RawValue":"[]"}]"#
                .to_owned(),
        ),
        (
            "markup",
            r#"["<script>alert(1)</script>","{{7*7}}","%s%n","$(id)","'; DROP TABLE jobs"]"#
                .to_owned(),
        ),
        (
            "Redis' own protocol",
            r#"["\r\n*1\r\n$8\r\nFLUSHALL\r\n"]"#.to_owned(),
        ),
        ("100 deep", deep(100)),
        ("128 deep", deep(128)),
        ("129 deep", deep(129)),
        ("1,001 deep", deep(1_001)),
        ("100,000 deep", deep(100_000)),
        ("1,000,000 deep", deep(1_000_000)),
        ("30,000 objects deep", deep_objects(30_000)),
        (
            "a string of 4 MB",
            format!("[\"{}\"]", "x".repeat(4_000_000)),
        ),
        (
            "600 KB of escapes",
            format!("[\"{}\"]", r"\u00e9".repeat(100_000)),
        ),
        ("100,000 arguments", format!("[{}0]", "0,".repeat(99_999))),
        (
            "20,000 names",
            format!(
                "[{{{}\"\":0}}]",
                (0..20_000)
                    .map(|n| format!("\"{n}\":{n},"))
                    .collect::<String>()
            ),
        ),
        (
            "200 KB of white space",
            format!("[{}1{}]", " ".repeat(100_000), "\n".repeat(100_000)),
        ),
    ];
    for (number, (name, args)) in arguments.into_iter().enumerate() {
        let jid = format!("args{number}");
        cases.push(Case {
            name: format!("{name} in the arguments"),
            bytes: format!(r#"{{"class":"Echo","args":{args},"jid":"{jid}","queue":"corpus"}}"#)
                .into(),
            fate: Fate::Runs {
                jid,
                args: args.clone(),
            },
        });
        cases.push(Case {
            name: format!("{name} in the arguments of a job that fails"),
            bytes: format!(
                r#"{{"args":{args},"queue":"corpus","class":"Fail","jid":"fail{number}" }}"#
            )
            .into(),
            fate: Fate::Retried,
        });
    }
}

/// Jobs that run, whatever stands around class, arguments and jid.
fn odd_envelopes(cases: &mut Vec<Case>) {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let fields = [
        (
            "an unknown field",
            r#""x":{"y":[1.10,12345678901234567890]}"#.to_owned(),
        ),
        (
            "1,000 unknown fields",
            (0..1000)
                .map(|n| format!(r#""f{n}":{n}"#))
                .collect::<Vec<_>>()
                .join(","),
        ),
        ("a deep unknown field", format!(r#""x":{deep}"#)),
        (
            "a name of 300 KB",
            format!(r#""{}":1"#, "n".repeat(300_000)),
        ),
        (
            "a name with half a surrogate pair",
            r#""\ud800":1"#.to_owned(),
        ),
        ("an empty name", r#""":1"#.to_owned()),
        ("queue as a number", r#""queue":5"#.to_owned()),
        ("queue as null", r#""queue":null"#.to_owned()),
        ("an empty queue", r#""queue":"""#.to_owned()),
        ("another queue", r#""queue":"elsewhere""#.to_owned()),
        ("a queue that cannot be", r#""queue":"a\u0000b""#.to_owned()),
        ("retry as a text", r#""retry":"yes""#.to_owned()),
        ("retry as an object", r#""retry":{}"#.to_owned()),
        ("retry_count as a text", r#""retry_count":"x""#.to_owned()),
        (
            "retry_count beyond all",
            r#""retry_count":99999999999999999999"#.to_owned(),
        ),
        (
            "retry_count below zero",
            r#""retry_count":-99999999999999999999"#.to_owned(),
        ),
        ("retry_count 1e400", r#""retry_count":1e400"#.to_owned()),
        (
            "stamps of all kinds",
            r#""created_at":"yesterday","enqueued_at":{},"failed_at":1e400,"retried_at":-1"#
                .to_owned(),
        ),
        (
            "stamps beyond all",
            r#""created_at":99999999999999999999,"enqueued_at":-99999999999999999999.5"#.to_owned(),
        ),
        ("wrapped as a number", r#""wrapped":5"#.to_owned()),
        ("an empty wrapped", r#""wrapped":"""#.to_owned()),
        (
            "wrapped with control characters",
            r#""wrapped":"a\n\u001b[31m|b\u0000""#.to_owned(),
        ),
        (
            "wrapped of 300 KB",
            format!(r#""wrapped":"{}""#, "w".repeat(300_000)),
        ),
        ("tags as a number", r#""tags":7"#.to_owned()),
        ("dead as a text", r#""dead":"false""#.to_owned()),
        ("backtrace as a text", r#""backtrace":"all""#.to_owned()),
        (
            "error fields that are none",
            r#""error_class":5,"error_message":[],"error_backtrace":"x""#.to_owned(),
        ),
        ("retry_for beyond all", r#""retry_for":1e999"#.to_owned()),
        ("at in a queue", r#""at":1e300"#.to_owned()),
    ];
    for (number, (name, fields)) in fields.into_iter().enumerate() {
        let jid = format!("field{number}");
        cases.push(Case {
            name: name.to_owned(),
            bytes: format!(r#"{{"class":"Echo","args":[{number}],{fields},"jid":"{jid}"}}"#).into(),
            fate: Fate::Runs {
                jid,
                args: format!("[{number}]"),
            },
        });
    }
    for (name, text, jid, args) in [
        (
            "white space everywhere",
            " \t\r\n{ \"class\" : \"Echo\" ,\n\"args\" : [ 1 ] , \"jid\":\"env1\" } \n",
            "env1",
            "[ 1 ]",
        ),
        (
            "names written in escapes",
            r#"{"cl\u0061ss":"\u0045cho","\u0061rgs":[2],"ji\u0064":"en\u00762"}"#,
            "env2",
            "[2]",
        ),
        (
            "the last of a name counts",
            r#"{"class":"No","args":null,"jid":5,"class":"Echo","args":[3],"jid":"env3"}"#,
            "env3",
            "[3]",
        ),
    ] {
        cases.push(Case {
            name: name.to_owned(),
            bytes: text.into(),
            fate: Fate::Runs {
                jid: jid.to_owned(),
                args: args.to_owned(),
            },
        });
    }
}

/// Ids and classes that may upset keys, logs and files.
fn odd_names(cases: &mut Vec<Case>) {
    let mega = "j".repeat(300_000);
    for (number, (json, jid)) in [
        ("🚂".to_owned(), "🚂".to_owned()),
        (r"a\u0000b".to_owned(), "a\0b".to_owned()),
        (r"\u001b[2J\n".to_owned(), "\x1b[2J\n".to_owned()),
        (
            "../../../etc/passwd".to_owned(),
            "../../../etc/passwd".to_owned(),
        ),
        ("1:corpus".to_owned(), "1:corpus".to_owned()),
        (" ".to_owned(), " ".to_owned()),
        (r#"\""#.to_owned(), "\"".to_owned()),
        ("{tag}".to_owned(), "{tag}".to_owned()),
        (mega.clone(), mega),
    ]
    .into_iter()
    .enumerate()
    {
        cases.push(Case {
            name: format!("odd jid {number}"),
            bytes: format!(r#"{{"class":"Echo","args":["jid",{number}],"jid":"{json}"}}"#).into(),
            fate: Fate::Runs {
                jid,
                args: format!(r#"["jid",{number}]"#),
            },
        });
    }
    let mega = "C".repeat(300_000);
    for (number, class) in [
        "NoSuchClass",
        "echo",
        "Echo ",
        " ",
        "Kernel",
        "Gandy::Worker",
        r"\u0000",
        r"\u001b]0;owned\u0007\u001b[31m",
        r"line\nbreak\r\nINFO forged",
        "日本語",
        "💥",
        r"a|b",
        "../x",
        "\u{202e}",
        &mega,
    ]
    .into_iter()
    .enumerate()
    {
        cases.push(Case {
            name: format!("unknown class {number}"),
            bytes: format!(
                r#"{{"class":"{class}","args":[],"jid":"class{number}","queue":"corpus"}}"#
            )
            .into(),
            fate: Fate::Retried,
        });
    }
}

/// What does not fit a handler's types: an ordinary failure, at any depth.
fn unfit_arguments(cases: &mut Vec<Case>) {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let one = [
        "[]",
        "[1,2]",
        r#"["1"]"#,
        "[-1]",
        "[1.10]",
        "[1e400]",
        "[18446744073709551616]",
        "[null]",
        "[[]]",
        "[{}]",
        &deep,
    ];
    let any = [
        "[1e400]",
        r#"["\ud800"]"#,
        &("[".repeat(130) + &"]".repeat(130)),
        &deep,
    ];
    for (class, all) in [("One", &one[..]), ("Any", &any[..])] {
        for (number, args) in all.iter().enumerate() {
            cases.push(Case {
                name: format!("arguments {number} that do not fit {class}"),
                bytes: format!(r#"{{"class":"{class}","args":{args},"jid":"{class}{number}","queue":"corpus"}}"#).into(),
                fate: Fate::Retried,
            });
        }
    }
}
