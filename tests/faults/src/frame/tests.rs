#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn requests(bytes: &[u8]) -> Result<Vec<Request>, Garbled> {
    let mut requests = Requests::default();
    requests.push(bytes);
    let mut found = Vec::new();
    while let Some(request) = requests.next()? {
        found.push(request);
    }
    Ok(found)
}

fn replies(bytes: &[u8]) -> Result<Vec<Reply>, Garbled> {
    let mut replies = Replies::default();
    replies.push(bytes);
    let mut found = Vec::new();
    while let Some(reply) = replies.next()? {
        found.push(reply);
    }
    Ok(found)
}

fn words(request: &Request) -> Vec<String> {
    let text = |word: &Bytes| String::from_utf8(word.to_vec()).unwrap();
    request.words.iter().map(text).collect()
}

#[test]
fn requests_are_arrays_lines_and_empty_ones_that_nobody_answers() {
    let bytes = b"*2\r\n$4\r\nLLEN\r\n$3\r\na\r\n\r\nPING  now and then\r\n\r\n*0\r\n*-1\r\nQUIT\n";
    let found = requests(bytes).unwrap();
    let names: Vec<_> = found.iter().map(words).collect();
    let expected = [
        vec!["LLEN", "a\r\n"],
        vec!["PING", "now"],
        vec![],
        vec![],
        vec![],
        vec!["QUIT"],
    ];
    assert_eq!(names, expected);
    let together: Vec<u8> = found.iter().flat_map(|it| it.bytes.to_vec()).collect();
    assert_eq!(together, bytes);
}

#[test]
fn of_a_request_only_the_first_words_are_kept_and_only_their_start() {
    let long = "x".repeat(100_000);
    let request = format!("*3\r\n$4\r\nECHO\r\n$100000\r\n{long}\r\n$1\r\nz\r\n");
    let found = requests(request.as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].words.len(), 2);
    assert_eq!(found[0].words[1].len(), WORD_MAX);
}

#[test]
fn replies_of_every_type_end_where_they_end() {
    let each: [&[u8]; 22] = [
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-7\r\n",
        b"$3\r\n\r\n\r\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*2\r\n:1\r\n*-1\r\n$-1\r\n",
        b"_\r\n",
        b",1.5\r\n",
        b"#t\r\n",
        b"(3492890328409238509324850943850943825024385\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!5\r\nERR x\r\n",
        b"~2\r\n+a\r\n+b\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
        b"%0\r\n",
        b"|1\r\n+ttl\r\n:60\r\n$1\r\na\r\n",
        b"*1\r\n|1\r\n+k\r\n*1\r\n+v\r\n:1\r\n",
        b"|1\r\n+a\r\n+b\r\n|0\r\n*2\r\n:1\r\n:2\r\n",
        b"$5\r\n*1\r\n:\r\n",
    ];
    let all: Vec<u8> = each.concat();
    let found = replies(&all).unwrap();
    assert_eq!(found.len(), each.len());
    for (reply, bytes) in found.iter().zip(each) {
        assert_eq!(reply.bytes, bytes);
        assert!(!reply.push);
    }
}

#[test]
fn a_push_is_no_reply() {
    let found = replies(b">2\r\n+message\r\n*1\r\n:1\r\n+OK\r\n").unwrap();
    assert_eq!((found[0].push, found[1].push), (true, false));
    assert_eq!(found[1].bytes, &b"+OK\r\n"[..]);
}

#[test]
fn nonsense_is_said_to_be_nonsense() {
    for bytes in [
        &b"*1\r\n+OK\r\n"[..],
        b"*x\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$1\r\nabc\r\n",
        b"*99999999999\r\n",
        b"*1\r\n$999999999999\r\n",
    ] {
        assert_eq!(requests(bytes), Err(Garbled), "{bytes:?}");
    }
    for bytes in [
        &b"$?\r\n"[..],
        b"hello\r\n",
        b"\r\n",
        b"*-2\r\n",
        b"%9223372036854775807\r\n",
        b"$2\r\nabc\r\n",
        b"!-1\r\n",
    ] {
        assert_eq!(replies(bytes), Err(Garbled), "{bytes:?}");
    }
    let endless = vec![b'+'; LINE_MAX + 2];
    assert_eq!(replies(&endless), Err(Garbled));
    assert_eq!(requests(&endless), Err(Garbled));
}

/// A reply of any type; aggregates hold others.
fn any_reply() -> impl Strategy<Value = Vec<u8>> {
    let line = "[a-zA-Z0-9 $*:-]{0,12}";
    let scalar = prop_oneof![
        (prop::sample::select(b"+-:_,#(".to_vec()), line).prop_map(|(kind, text)| [
            &[kind],
            text.as_bytes(),
            b"\r\n"
        ]
        .concat()),
        (
            prop::sample::select(b"$=!".to_vec()),
            prop::collection::vec(any::<u8>(), 0..40)
        )
            .prop_map(|(kind, text)| {
                let mut bytes = vec![kind];
                bytes.extend_from_slice(format!("{}\r\n", text.len()).as_bytes());
                [&bytes[..], &text, b"\r\n"].concat()
            }),
        Just(b"$-1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        let many = |each: usize, inner: BoxedStrategy<Vec<u8>>| {
            prop::collection::vec(prop::collection::vec(inner, each..=each), 0..4)
                .prop_map(|parts| (parts.len(), parts.concat().concat()))
        };
        let inner = inner.boxed();
        prop_oneof![
            (
                prop::sample::select(b"*~>".to_vec()),
                many(1, inner.clone())
            )
                .prop_map(|(kind, (count, parts))| aggregate(kind, count, &parts)),
            many(2, inner.clone()).prop_map(|(count, parts)| aggregate(b'%', count, &parts)),
            (many(2, inner.clone()), inner).prop_map(|((count, parts), described)| {
                [aggregate(b'|', count, &parts), described].concat()
            }),
        ]
    })
}

fn aggregate(kind: u8, count: usize, parts: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(format!("{count}\r\n").as_bytes());
    bytes.extend_from_slice(parts);
    bytes
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let array =
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..6).prop_map(|parts| {
            let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
            for part in parts {
                bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
                bytes.extend_from_slice(&part);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes
        });
    let line = "[a-zA-Z ]{0,20}".prop_map(|text| format!("{text}\r\n").into_bytes());
    prop_oneof![4 => array, 1 => line]
}

/// The bytes in pieces, cut at these places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn replies_split_anywhere_are_the_same_replies(
        sent in prop::collection::vec(any_reply(), 0..8),
        cuts in cuts(),
    ) {
        let mut reader = Replies::default();
        let mut found = Vec::new();
        for piece in pieces(&sent.concat(), &cuts) {
            reader.push(piece);
            while let Some(reply) = reader.next().unwrap() {
                found.push(reply.bytes.to_vec());
            }
        }
        prop_assert_eq!(found, sent);
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn requests_split_anywhere_are_the_same_requests(
        sent in prop::collection::vec(any_request(), 0..8),
        cuts in cuts(),
    ) {
        let mut reader = Requests::default();
        let mut found = Vec::new();
        for piece in pieces(&sent.concat(), &cuts) {
            reader.push(piece);
            while let Some(request) = reader.next().unwrap() {
                found.push(request);
            }
        }
        let bytes: Vec<Vec<u8>> = found.iter().map(|request| request.bytes.to_vec()).collect();
        prop_assert_eq!(bytes, sent.clone());
        prop_assert_eq!(found, requests(&sent.concat()).unwrap());
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn no_bytes_make_a_reader_panic_or_come_out_changed(
        bytes in prop::collection::vec(
            prop_oneof![prop::sample::select(b"*$+-:%|>~!=_#,(\r\n0123456789".to_vec()), any::<u8>()],
            0..200,
        ),
        cuts in cuts(),
    ) {
        let (mut there, mut back) = (Requests::default(), Replies::default());
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        for piece in pieces(&bytes, &cuts) {
            there.push(piece);
            back.push(piece);
            while let Ok(Some(request)) = there.next() {
                asked.extend_from_slice(&request.bytes);
            }
            while let Ok(Some(reply)) = back.next() {
                told.extend_from_slice(&reply.bytes);
            }
        }
        asked.extend_from_slice(&there.rest());
        told.extend_from_slice(&back.rest());
        prop_assert_eq!(&asked, &bytes);
        prop_assert_eq!(&told, &bytes);
    }
}
