//! What is sent for a job: `{"jid","class","args","attempt","queue"}`.

use crate::run::Run;

/// The JSON of a run. The arguments go in as they are, since a JSON library would round integers above 2^53.
pub fn json(run: &Run<'_>) -> String {
    format!(
        r#"{{"jid":{},"class":{},"args":{},"attempt":{},"queue":{}}}"#,
        quoted(run.jid),
        quoted(run.class),
        run.args,
        run.attempt,
        quoted(run.queue),
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_through_byte_for_byte_and_names_are_escaped() {
        let run = Run {
            jid: "a\"b",
            class: "Webhook",
            queue: "default",
            attempt: 2,
            trace: &[],
            args: "[12345678901234567890, 1.10,{\"b\":1,\"a\":[]}]",
        };
        assert_eq!(
            json(&run),
            r#"{"jid":"a\"b","class":"Webhook","args":[12345678901234567890, 1.10,{"b":1,"a":[]}],"attempt":2,"queue":"default"}"#
        );
    }
}
