//! Every `gandy …` that the pages for operators name exists, with the flags that it is given, as the page of that command
//! says (docs/commands, made from the command itself).

use crate::tools::{read, root};

const PAGES: [&str; 3] = [
    "docs/operations.md",
    "docs/deploy.md",
    "deploy/kubernetes/README.md",
];
const COMMANDS: &str = "docs/commands";

/// What stands in code, inline or in a block, split where a shell would begin another command.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            block = !block;
            continue;
        }
        let code: Vec<&str> = if block {
            vec![line.split(" #").next().unwrap_or_default()]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for text in code {
            for command in text.split([';', '|', '&', '>']) {
                // `kubectl exec … -- gandy doctor`, too.
                let command = command.rsplit(" -- ").next().unwrap_or_default().trim();
                if command.starts_with("gandy ") {
                    found.push(command.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn commands_are_found_in_code() {
    let page =
        "`gandy stats`, `gandy x --y > z`\n```sh\na -- gandy b; gandy c   # gandy d\n```\ngandy e";
    assert_eq!(
        commands(page),
        ["gandy stats", "gandy x --y", "gandy b", "gandy c"]
    );
}

#[test]
fn every_command_of_the_pages_exists_with_its_flags() {
    let common = read(&format!("{COMMANDS}/README.md"));
    for page in PAGES {
        for command in commands(&read(page)) {
            let mut words = command.split_whitespace().skip(1);
            let verb = words.next().unwrap_or_default();
            if verb == "VERB" {
                continue;
            }
            let path = format!("{COMMANDS}/gandy-{verb}.md");
            assert!(root().join(&path).exists(), "{page}: {command}: no {path}");
            let manual = read(&path);
            for flag in words.filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap_or_default();
                assert!(
                    manual.contains(flag) || common.contains(flag),
                    "{page}: {command}: {path} knows no {flag}"
                );
            }
        }
    }
}
