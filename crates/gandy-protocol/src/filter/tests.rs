//! Each term, on payloads as they stand in Redis.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const PLAIN: &str = r#"{"retry":true,"queue":"low","tags":["import","eu west"],"args":[42,"two words",{"a": [1, "x y"]},12345678901234567890123,"\u00e9",null],"class":"Mailer::Digest","jid":"b5de70b63090decd6440fd9e","retry_count":2,"error_class":"Net::ReadTimeout","error_message":"no reply from host"}"#;
const WRAPPED: &str = r#"{"class":"Sidekiq::ActiveJob::Wrapper","wrapped":"WelcomeJob","queue":"default","args":[{"job_class":"WelcomeJob","job_id":"j","arguments":[7,"Ann"],"executions":0}],"jid":"a1"}"#;
const BARE: &str = r#"{"class":"A","args":[],"jid":"x"}"#;

fn fits(filter: &str, job: &str) -> bool {
    let job = Payload::parse(job.as_bytes().to_vec()).unwrap();
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    // An hour in its place.
    filter.matches(&job, || Some(3_600_000))
}

#[test]
fn terms_fit_what_they_name() {
    for filter in [
        "class:Mailer::Digest",
        "class:Mailer*",
        "class:*Digest",
        "queue:low",
        "queue:l?w",
        "jid:b5de70b63090decd6440fd9e",
        "jid:b5de*",
        "arg:42",
        "arg:\"two words\"",
        "arg:'two words'",
        "arg:'\"two words\"'",
        "arg:\"\\\"two words\\\"\"",
        "arg:'{\"a\":[1,\"x y\"]}'",
        "arg:'{ \"a\" : [1,\"x y\"] }'",
        "arg:12345678901234567890123",
        "arg:é",
        "arg:null",
        "error:Timeout",
        "error:Net::ReadTimeout",
        "error:*Timeout",
        "error:'no reply'",
        "error:\"*host\"",
        "class=Mailer::Digest",
        "class=\"Mailer::Digest\"",
        "-class=Mailer",
        "!class='Mailer*'",
        "queue=low",
        "jid=b5de70b63090decd6440fd9e",
        "error=Net::ReadTimeout",
        "-error=\"\"",
        "-error=''",
        "tag=import",
        "tag='eu west'",
        "tag:import",
        "tag:imp*",
        "tag:'eu west'",
        "age>59m",
        "age<2h",
        "age>=1h",
        "age<=1h",
        "attempt>3",
        "attempt>=4",
        "attempt<5",
        "attempt=4",
        "attempt:4",
        "Mailer",
        "Mailer::Digest",
        "::Digest",
        "decd6440",
        "Mailer*",
        "*Dig?st",
        "b5de*",
        "!Other*",
        "-'M?'",
        "-class:Other",
        "-arg:43",
        "!arg:43",
        "!Other",
        "-'-x'",
        "class:Mailer* queue:low arg:42 -tag:x age>1m",
        "  Mailer   -nothing ",
    ] {
        assert!(fits(filter, PLAIN), "{filter}");
    }
}

#[test]
fn terms_do_not_fit_anything_else() {
    for filter in [
        "class:Mailer",
        "class:mailer*",
        "class:Digest",
        "queue:lo",
        "jid:b5de",
        "arg:4",
        "arg:'\"42\"'",
        "arg:'two'",
        // Equal only as floats.
        "arg:12345678901234567890124",
        "arg:'{\"a\":[1,\"xy\"]}'",
        "arg:x",
        "class=Mailer",
        "class=mailer::digest",
        "class=Mailer*",
        "class=\"Mailer::Diges?\"",
        "-class=Mailer::Digest",
        "queue=lo",
        "queue=l?w",
        "jid=b5de",
        "jid=b5de*",
        // Neither a part of the class nor the message.
        "error=ReadTimeout",
        "error='no reply from host'",
        "error=*",
        "error=\"\"",
        "tag=imp*",
        "tag=eu",
        "error:timeout",
        "error:Timeout*",
        "tag:imp",
        "age>1h",
        "age<1h",
        "attempt>4",
        "attempt=3",
        "Digests",
        "-class:Mailer*",
        // Of a text taken literally, the star included, each job would be another: `delete --filter '!Mailer*'` took all.
        "!Mailer*",
        "!*Digest",
        "!b5de*",
        "Other*",
        "Dig*",
        "class:Mailer* queue:high",
        "\"class:Mailer*\"",
    ] {
        assert!(!fits(filter, PLAIN), "{filter}");
    }
}

#[test]
fn a_wrapped_job_has_its_own_class_and_arguments() {
    for filter in [
        "class:WelcomeJob",
        "class:Sidekiq::*",
        "arg:7",
        "arg:Ann",
        "Welcome",
        "queue:default",
        "attempt=1",
        "class=WelcomeJob",
        "queue=default",
        "error=\"\"",
    ] {
        assert!(fits(filter, WRAPPED), "{filter}");
    }
    for filter in [
        "arg:0",
        "arg:j",
        "class:Welcome",
        "class=Sidekiq::ActiveJob::Wrapper",
    ] {
        assert!(!fits(filter, WRAPPED), "{filter}");
    }
    // Only a wrapped job's envelope is opened.
    let plain = WRAPPED.replace(r#""wrapped":"WelcomeJob","#, "");
    assert!(!fits("arg:7", &plain));
}

#[test]
fn what_a_job_does_not_say_fits_only_the_negation() {
    for term in ["error:x", "tag:x", "arg:1", "error=x", "tag=x", "queue=x"] {
        assert!(!fits(term, BARE), "{term}");
        assert!(fits(&format!("-{term}"), BARE), "-{term}");
    }
    let job = Payload::parse(BARE.as_bytes().to_vec()).unwrap();
    assert!(!Filter::parse("age>1s").unwrap().matches(&job, || None));
    assert!(!Filter::parse("age<1s").unwrap().matches(&job, || None));
    assert!(
        Filter::parse("queue:default")
            .unwrap()
            .matches(&job, || None)
    );
    // The age costs another look at the bytes, so nobody asks for it in vain.
    let filter = Filter::parse("class:A").unwrap();
    assert!(filter.matches(&job, || panic!("asked for the age")));
}

#[test]
fn wrong_filters_say_where_and_what_to_write() {
    for (filter, said) in [
        ("", "empty"),
        ("  \t", "empty"),
        (
            "class:A klass:B",
            "character 9: \"klass:B\": there is no term `klass`",
        ),
        ("class:", "such as class:Mailer*"),
        ("class=", "such as class=Mailer"),
        ("class=\"\"", "such as class=Mailer"),
        ("tag=''", "such as tag=import"),
        ("a error=", "character 3: \"error=\": write a value"),
        ("-error=", "or error=\"\" for jobs without"),
        ("error:\"\"", "such as error:Timeout"),
        ("class='a b", "character 7: the quote ' is never closed"),
        (
            "queue>low",
            "a colon, or with = for a whole text: queue:low or queue=low",
        ),
        ("arg=42", "compared with a colon: arg:42"),
        ("klass=B", "there is no term `klass`; write class:"),
        ("age:1h", "write age>1h"),
        ("age>soon", "write age>1h"),
        ("age=1h", "write age>1h"),
        ("attempt>many", "write attempt>3"),
        ("a -", "character 3: \"-\": a term is missing"),
        ("arg:\"open", "character 5: the quote \" is never closed"),
        ("a 'b", "character 3: the quote ' is never closed"),
    ] {
        let error = Filter::parse(filter).unwrap_err().to_string();
        assert!(error.contains(said), "{filter}: {error}");
    }
}

#[test]
fn it_is_shown_as_it_was_written() {
    assert_eq!(
        Filter::parse(" class:A  -arg:'x y' ").unwrap().to_string(),
        "class:A  -arg:'x y'"
    );
}

#[test]
fn a_job_has_no_error_where_none_is_named() {
    let with = |more: &str| BARE.replace("\"x\"", &format!("\"x\"{more}"));
    for (more, none) in [
        ("", true),
        (",\"error_class\":null", true),
        (",\"error_class\":\"\"", true),
        (",\"error_class\":5", true),
        (",\"error_message\":\"of nobody\"", true),
        (",\"error_class\":\" \"", false),
        (",\"error_class\":\"*\"", false),
    ] {
        assert_eq!(fits("error=\"\"", &with(more)), none, "{more}");
        assert_eq!(fits("-error=''", &with(more)), !none, "{more}");
    }
    assert!(fits("error=*", &with(",\"error_class\":\"*\"")));
    assert!(fits("queue=default", BARE), "as queue: does");
}

proptest! {
    #[test]
    fn a_quoted_text_is_found_whole_and_nothing_else_is(
        class in "[a-c*?:=\"'\\\\ \n\u{e9}-]{1,6}",
        other in "[a-c*?:=\"'\\\\ \n\u{e9}-]{1,6}",
        any in any::<String>(),
    ) {
        for class in [class.as_str(), any.as_str()] {
            prop_assume!(!class.is_empty());
            let job = |class: &str| {
                let class = serde_json::to_string(class).unwrap();
                format!(r#"{{"class":{class},"args":[],"jid":"1","error_class":{class},"tags":[{class}]}}"#)
            };
            let quoted = Filter::quoted(class);
            let filter = format!("class={quoted} error={quoted} tag={quoted}");
            prop_assert!(fits(&filter, &job(class)), "{filter}");
            for name in ["class", "error", "tag"] {
                let filter = format!("{name}={quoted}");
                prop_assert_eq!(fits(&filter, &job(&other)), class == other, "{} {}", filter, other);
                let negated = format!("-{filter}");
                prop_assert!(!fits(&negated, &job(class)), "{}", negated);
            }
        }
    }

    #[test]
    fn no_text_panics(filter in any::<String>(), near in "[a-z:<>='\" -]{0,20}", tail in any::<String>()) {
        let job = Payload::parse(PLAIN.as_bytes().to_vec()).unwrap();
        for text in [filter, format!("{near}{tail}")] {
            if let Ok(filter) = Filter::parse(&text) {
                filter.matches(&job, || None);
            }
        }
    }

    #[test]
    fn no_payload_panics(args in "\\[[\\[\\]{},:\"a1\\\\ ]{0,20}\\]", tags in "[\\[\\]{}\"a,]{0,8}") {
        let raw = format!(r#"{{"class":"A","wrapped":"B","jid":"1","args":{args},"tags":{tags}}}"#);
        if let Ok(job) = Payload::parse(raw.into_bytes()) {
            for filter in ["arg:1", "arg:'[1]'", "tag:a", "error:x"] {
                Filter::parse(filter).unwrap().matches(&job, || None);
            }
        }
    }
}
