//! From the struct's tokens to the `impl`, or to the errors.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::DeriveInput;
use syn::ext::IdentExt as _;

use crate::check;
use crate::settings::Settings;

/// The `impl Job` for `input`, and an error for each mistake in it.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = check::check(&input);
    let settings = Settings::read(&input.attrs, &mut errors);
    let errors = errors.iter().map(syn::Error::to_compile_error);
    // With mistakes the impl is written all the same: else each use of the struct adds "is not a job" to the real error.
    // A generic struct is the exception, its impl would only add errors.
    let implementation = input
        .generics
        .params
        .is_empty()
        .then(|| implementation(&input, &settings));
    quote! {
        #(#errors)*
        #implementation
    }
}

fn implementation(input: &DeriveInput, settings: &Settings) -> TokenStream {
    let ident = &input.ident;
    let name = ident.unraw().to_string();
    let class = match &settings.class {
        Some(class) => class.clone(),
        None => quote!(#name),
    };
    let options = (!settings.calls.is_empty()).then(|| {
        let calls = &settings.calls;
        quote! {
            fn options() -> ::gandy::JobOptions {
                <::gandy::JobOptions as ::core::default::Default>::default() #(#calls)*
            }
        }
    });
    // Spanned at the name, so that a missing `Serialize` is reported there and not at the derive.
    quote_spanned! {ident.span()=>
        #[automatically_derived]
        impl ::gandy::Job for #ident {
            const CLASS: &'static str = #class;
            #options
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::expand;
    use proc_macro2::TokenStream;

    fn tokens(source: &str) -> String {
        expand(source.parse().unwrap()).to_string()
    }

    #[track_caller]
    fn expands(source: &str, expected: &str) {
        let expected: TokenStream = expected.parse().unwrap();
        // Quoted and parsed tokens print their spaces differently.
        let plain = |text: String| text.replace(' ', "");
        assert_eq!(plain(tokens(source)), plain(expected.to_string()));
    }

    /// The messages for `source`, in order.
    fn messages(source: &str) -> Vec<String> {
        let text = tokens(source);
        text.split(":: core :: compile_error ! { ")
            .skip(1)
            .map(|rest| {
                let literal = rest.split(" }").next().unwrap();
                let literal: syn::LitStr = syn::parse_str(literal).unwrap();
                literal.value()
            })
            .collect()
    }

    #[track_caller]
    fn refused(source: &str, needle: &str) {
        let said = messages(source);
        assert_eq!(said.len(), 1, "{source}: {said:?}");
        assert!(said[0].contains(needle), "{source}: {said:?}");
    }

    /// Refuses `#[job(settings)]` in a sentence that holds `needle`.
    #[track_caller]
    fn refused_settings(settings: &str, needle: &str) {
        refused(&format!("#[job({settings})] struct A {{ n: u8 }}"), needle);
    }

    #[test]
    fn the_class_is_the_structs_name_unless_given() {
        expands(
            "struct WelcomeEmail { user: u64 }",
            r#"#[automatically_derived] impl ::gandy::Job for WelcomeEmail {
                const CLASS: &'static str = "WelcomeEmail";
            }"#,
        );
        expands(
            r#"#[job(class = "Reports::Nightly")] pub(crate) struct r#Nightly;"#,
            r#"#[automatically_derived] impl ::gandy::Job for r#Nightly {
                const CLASS: &'static str = "Reports::Nightly";
            }"#,
        );
        expands(
            "struct r#type();",
            r#"#[automatically_derived] impl ::gandy::Job for r#type {
                const CLASS: &'static str = "type";
            }"#,
        );
    }

    #[test]
    fn each_setting_is_one_call() {
        expands(
            r#"
            /// Doc comments and other attributes pass by.
            #[serde(rename_all = "camelCase", default)]
            #[job(class = "WelcomeEmail", queue = "mailers", retry = 5, timeout = "30s", tags("a", "b",))]
            #[job(retry_for = "2h", retry_queue = "slow", dead = false, backtrace = 10)]
            struct A { #[serde(rename = "x", default)] n: u8 }"#,
            r#"#[automatically_derived] impl ::gandy::Job for A {
                const CLASS: &'static str = "WelcomeEmail";
                fn options() -> ::gandy::JobOptions {
                    <::gandy::JobOptions as ::core::default::Default>::default()
                        .queue("mailers")
                        .retry(5u32)
                        .timeout(::core::time::Duration::from_millis(30000u64))
                        .tags(["a", "b"])
                        .retry_for(::core::time::Duration::from_millis(7200000u64))
                        .retry_queue("slow")
                        .dead(false)
                        .backtrace(10u32)
                }
            }"#,
        );
        expands(
            "#[job(retry = true, backtrace = true,)] struct A;",
            r#"#[automatically_derived] impl ::gandy::Job for A {
                const CLASS: &'static str = "A";
                fn options() -> ::gandy::JobOptions {
                    <::gandy::JobOptions as ::core::default::Default>::default()
                        .retry(true)
                        .backtrace(true)
                }
            }"#,
        );
    }

    #[test]
    fn several_mistakes_are_several_errors_and_the_impl_stays() {
        let source =
            r#"#[job(qeue = "x", retry = -1, class = "A::B", timeout = "soon")] enum A { B }"#;
        let said = messages(source);
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(tokens(source).contains("impl :: gandy :: Job for A"));
        assert!(tokens(source).contains(r#""A::B""#));
    }

    #[test]
    fn unknown_settings_are_named_with_the_nearest_known_one() {
        refused_settings(
            r#"qeue = "x""#,
            "unknown setting `qeue`: did you mean `queue`?",
        );
        refused_settings("retries = 5", "did you mean `retry`?");
        refused_settings(
            r#"cron = "* * * * *""#,
            "unknown setting `cron`: the settings are class, queue, retry, timeout, retry_for, retry_queue, tags, dead, \
             backtrace",
        );
        refused_settings("a::b = 1", "unknown setting `a::b`");
        refused_settings("qeue(1, 2)", "did you mean `queue`?");
        refused_settings("qeue", "did you mean `queue`?");
    }

    #[test]
    fn a_setting_given_twice_is_refused() {
        refused_settings(r#"class = "A", class = "B""#, "`class` is given twice");
        refused(
            "#[job(retry = 1)] #[job(retry = 1)] struct A;",
            "`retry` is given twice",
        );
    }

    #[test]
    fn the_attribute_itself_may_be_malformed() {
        refused_settings(r#""WelcomeEmail""#, "write class = \"WelcomeEmail\"");
        refused("#[job] struct A;", "#[job(...)]");
        refused(r#"#[job = "A"] struct A;"#, "#[job(...)]");
        refused_settings(r#"class "A""#, "`class` needs a value");
        refused_settings("queue", "`queue` needs a value, like queue = \"mailers\"");
        refused_settings("dead", "`dead` needs a value, like dead = false");
        refused_settings(
            r#"queue("x")"#,
            "queue takes a string, like queue = \"mailers\"",
        );
        refused_settings("queue = ", "queue takes a string, like queue = \"mailers\"");
    }

    #[test]
    fn class_names_are_checked() {
        refused_settings(r#"class = """#, "the class is empty");
        refused_settings(r#"class = "Welcome Email""#, "without spaces");
        refused_settings(r#"class = "A\n""#, "without spaces");
        refused_settings(r#"class = "Reports::""#, "between `::`");
        refused_settings(r#"class = "::Reports""#, "between `::`");
        refused_settings(r#"class = "A::::B""#, "between `::`");
        refused_settings(
            "class = WelcomeEmail",
            "class takes a string, like class = \"WelcomeEmail\"",
        );
        refused_settings("class = 5", "class takes a string");
    }

    #[test]
    fn queue_names_are_checked() {
        for key in ["queue", "retry_queue"] {
            refused_settings(&format!(r#"{key} = """#), "a queue needs a name");
            refused_settings(&format!("{key} = \"a\\t\""), "control character");
            refused_settings(
                &format!(r#"{key} = "critical,3""#),
                "weights belong to the worker",
            );
            refused_settings(
                &format!("{key} = \"{}\"", "q".repeat(256)),
                "at most 255 bytes",
            );
        }
    }

    #[test]
    fn retry_is_a_number_or_a_boolean() {
        refused_settings("retry = -1", "retry cannot be negative");
        refused_settings("retry = -1.5", "retry cannot be negative");
        refused_settings("retry = 1.5", "retry takes");
        refused_settings(r#"retry = "5""#, "retry takes");
        refused_settings("retry = MAX", "retry takes");
        refused_settings("retry = 5 + 1", "retry takes");
        refused_settings("retry = 4294967296", "at most 4294967295");
    }

    #[test]
    fn backtrace_and_dead_are_checked() {
        refused_settings("backtrace = -1", "backtrace takes");
        refused_settings(r#"backtrace = "all""#, "backtrace takes");
        refused_settings("dead = 1", "dead takes true or false");
        refused_settings(r#"dead = "false""#, "dead takes true or false");
    }

    #[test]
    fn durations_are_checked() {
        refused_settings(
            "timeout = 30",
            "timeout takes a string with a unit, like timeout = \"30s\"",
        );
        refused_settings(r#"timeout = "30""#, "\"30\" is not a duration");
        refused_settings(r#"timeout = "0s""#, "longer than zero");
        refused_settings(r#"retry_for = "1h30m""#, "one number and one unit");
        refused_settings(r#"retry_for = "1500ms""#, "whole seconds");
        refused_settings(r#"retry_for = "11575d""#, "at most 1000000000 seconds");
    }

    #[test]
    fn tags_are_a_list() {
        refused_settings(r#"tags = ["a"]"#, "write tags(\"a\", \"b\")");
        refused_settings("tags", "write tags(\"a\", \"b\")");
        refused_settings("tags(a)", "write tags(\"a\", \"b\")");
        refused_settings("tags()", "write tags(\"a\", \"b\")");
        refused_settings(r#"tags("a", "")"#, "a tag is empty");
    }

    #[test]
    fn only_plain_structs_are_jobs() {
        refused("enum A { B }", "a job is a struct");
        refused("union A { b: u8 }", "a job is a struct");
        refused("struct A<T> { t: T }", "a job cannot be generic");
        refused(
            "struct A<const N: usize>([u8; N]);",
            "a job cannot be generic",
        );
        refused("struct A<'a> { name: &'a str }", "a job cannot borrow");
        assert!(!tokens("struct A<T> { t: T }").contains("impl"));
        refused(
            "struct A { #[job(queue = \"x\")] n: u8 }",
            "above the struct",
        );
    }

    #[test]
    fn serde_attributes_that_move_arguments_are_refused() {
        let field = |attribute: &str| format!("struct A {{ #[serde({attribute})] n: u8 }}");
        refused(&field("flatten"), "flatten");
        refused(&field("default, flatten"), "flatten");
        refused(&field("skip_serializing"), "#[serde(skip)]");
        refused(&field("skip_deserializing"), "#[serde(skip)]");
        refused(
            "struct A(u8, #[serde(skip_serializing_if = \"Option::is_none\")] Option<u8>);",
            "named fields",
        );
        refused(r#"#[serde(tag = "type")] struct A { n: u8 }"#, "tag");

        for fine in [
            field("skip"),
            field("skip_serializing, skip_deserializing"),
            field("skip_serializing_if = \"Option::is_none\""),
            field("rename(serialize = \"a\", deserialize = \"b\"), with = \"module\""),
            "struct A { #[serde(skip_serializing)] #[serde(skip_deserializing)] n: u8 }".to_owned(),
            "struct A(#[serde(skip_serializing_if = \"Option::is_none\")] Option<u8>);".to_owned(),
            "#[serde(deny_unknown_fields, bound(serialize = \"\"))] struct A { n: u8 }".to_owned(),
        ] {
            assert_eq!(messages(&fine), [""; 0], "{fine}");
        }
    }
}
