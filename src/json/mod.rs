//! JSON that is split but not decoded, and what is wrong with text that is not JSON.

mod raw;
mod syntax_error;

pub(crate) use raw::{
    Elements, ElementsSeed, RawObject, as_array, as_object, as_string, equal_elements, first_elements, is_plain_key,
    keys_equal, matches_key, push_string, type_name,
};
pub(crate) use syntax_error::{Location, SyntaxError, check_value, invalid_utf8, locate, parse_object};
