//! Whether the struct itself can be a job: plain, and with the same positions when written and when read.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DataStruct, DeriveInput, Fields, GenericParam};

use crate::value::skip;

/// All that is wrong with `input`, apart from its `#[job(…)]`.
pub(crate) fn check(input: &DeriveInput) -> Vec<syn::Error> {
    let mut errors = Vec::new();
    for parameter in &input.generics.params {
        let message = match parameter {
            GenericParam::Lifetime(_) => {
                "a job cannot borrow: another process reads it, later. Own the data: String instead of &str"
            }
            _ => {
                "a job cannot be generic: its class is one name in Redis with one list of args. Write one struct for each type"
            }
        };
        errors.push(syn::Error::new(parameter.span(), message));
    }
    match &input.data {
        Data::Struct(data) => fields(data, &mut errors),
        Data::Enum(data) => errors.push(syn::Error::new(
            data.enum_token.span,
            "a job is a struct, whose fields are the args: make one struct for each variant, or put the enum into a field",
        )),
        Data::Union(data) => errors.push(syn::Error::new(
            data.union_token.span,
            "a job is a struct, whose fields are the args",
        )),
    }
    for (word, span) in serde_words(&input.attrs) {
        if word == "tag" {
            errors.push(syn::Error::new(
                span,
                "args are positional: `tag` writes one argument more than is read. Remove it, the class already names the type",
            ));
        }
    }
    errors
}

fn fields(data: &DataStruct, errors: &mut Vec<syn::Error>) {
    for field in &data.fields {
        if let Some(attribute) = field.attrs.iter().find(|a| a.path().is_ident("job")) {
            errors.push(syn::Error::new(
                attribute.path().span(),
                "#[job(...)] belongs above the struct: fields have no settings",
            ));
        }
        let words = serde_words(&field.attrs);
        let has = |wanted: &str| words.iter().any(|(word, _)| word == wanted);
        for (word, span) in &words {
            if let Some(message) = misplaces(word, &data.fields, has) {
                errors.push(syn::Error::new(*span, message));
            }
        }
    }
}

/// Why the serde attribute `word` makes positions differ, if it does.
fn misplaces(word: &str, fields: &Fields, has: impl Fn(&str) -> bool) -> Option<&'static str> {
    match word {
        "flatten" => Some(
            "args are positional and flatten needs names: remove flatten, or send all fields as one argument by wrapping \
             them in a newtype, `struct Args(Payload)`",
        ),
        "skip_serializing" if !has("skip_deserializing") => Some(
            "args are positional: a field that is read but not written moves the fields after it. \
             Use #[serde(skip)] for a field that does not travel",
        ),
        "skip_deserializing" if !has("skip_serializing") => Some(
            "args are positional: a field that is written but not read moves the fields after it. \
             Use #[serde(skip)] for a field that does not travel",
        ),
        // serde tells a serialiser about a skipped field of a struct, but not of a tuple struct.
        "skip_serializing_if" if matches!(fields, Fields::Unnamed(_)) && fields.len() > 1 => Some(
            "args are positional: in a tuple struct a skipped field moves the fields after it. Use named fields, there it \
             is written as null",
        ),
        _ => None,
    }
}

/// The words in `#[serde(…)]`, with their places. What cannot be read is left to serde's own derive to report.
fn serde_words(attributes: &[Attribute]) -> Vec<(String, Span)> {
    let mut words = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("serde") {
            let _ = attribute.parse_nested_meta(|meta| {
                if let Some(ident) = meta.path.get_ident() {
                    words.push((ident.to_string(), ident.span()));
                }
                skip(meta.input)
            });
        }
    }
    words
}
