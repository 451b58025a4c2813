//! The value of one setting, read whatever it is, so that the error can say what was wanted instead.

use proc_macro2::{Span, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Lit, LitBool, LitInt, LitStr, Token};

/// What stands behind a setting's name.
pub(crate) enum Value {
    Str(LitStr),
    Int(LitInt),
    Bool(LitBool),
    /// A number with a minus.
    Negative(Span),
    /// `("a", "b")`.
    List(Vec<LitStr>),
    /// Nothing: the name alone, or with parentheses of something else.
    None(Span),
    /// Anything else: a constant, a sum…
    Other(Span),
}

impl Value {
    /// Reads up to the next comma.
    ///
    /// # Errors
    ///
    /// Tokens that no attribute can hold.
    pub(crate) fn read(meta: &ParseNestedMeta<'_>) -> syn::Result<Value> {
        let name = meta.path.span();
        let input = meta.input;
        if input.peek(syn::token::Paren) {
            let list;
            syn::parenthesized!(list in input);
            return Ok(list_of(&list).map_or(Value::None(name), Value::List));
        }
        if !input.peek(Token![=]) {
            skip(input)?;
            return Ok(Value::None(name));
        }
        let equals: Token![=] = input.parse()?;
        let span = input.span();
        let literal = input.fork();
        // The minus first: syn takes it for part of a literal.
        let value = if input.peek(Token![-]) {
            Value::Negative(span)
        } else if literal.parse::<Lit>().is_ok() && at_end(&literal) {
            of_literal(input.parse()?, span)
        } else if at_end(input) {
            Value::Other(equals.span)
        } else {
            Value::Other(span)
        };
        skip(input)?;
        Ok(value)
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Value::Str(text) => text.span(),
            Value::Int(number) => number.span(),
            Value::Bool(flag) => flag.span(),
            Value::List(items) => items.first().map_or_else(Span::call_site, LitStr::span),
            Value::Negative(span) | Value::None(span) | Value::Other(span) => *span,
        }
    }
}

fn of_literal(literal: Lit, span: Span) -> Value {
    match literal {
        Lit::Str(text) => Value::Str(text),
        Lit::Int(number) => Value::Int(number),
        Lit::Bool(flag) => Value::Bool(flag),
        _ => Value::Other(span),
    }
}

/// The strings of a list; `None` for an empty list or one of something else.
fn list_of(list: ParseStream<'_>) -> Option<Vec<LitStr>> {
    let items: syn::Result<Punctuated<LitStr, Token![,]>> = list.call(Punctuated::parse_terminated);
    // What is left in the parentheses would be an error of its own.
    while !list.is_empty() {
        list.parse::<TokenTree>().ok()?;
    }
    let items: Vec<LitStr> = items.ok()?.into_iter().collect();
    (!items.is_empty()).then_some(items)
}

fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Passes over the rest of a value.
pub(crate) fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    while !at_end(input) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
