//! Numbers come back bit for bit.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{from_args, same, to_args};
use crate::args::ArgsError;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    a: u64,
    b: i64,
    c: u128,
    d: i128,
    value: Value,
    late: Option<u128>,
}

#[test]
fn integers_beyond_a_double_survive() {
    let wide = Wide {
        a: u64::MAX,
        b: i64::MIN,
        c: u128::MAX,
        d: i128::MIN,
        value: serde_json::json!({"big": 9_007_199_254_740_993_u64, "max": u64::MAX, "min": i64::MIN, "f": 0.1}),
        late: Some((1 << 53) + 1),
    };
    same(
        &wide,
        "[18446744073709551615,-9223372036854775808,340282366920938463463374607431768211455,\
         -170141183460469231731687303715884105728,\
         {\"big\":9007199254740993,\"f\":0.1,\"max\":18446744073709551615,\"min\":-9223372036854775808},9007199254740993]",
    );
    same(&u128::MAX, "[340282366920938463463374607431768211455]");
    same(&i128::MIN, "[-170141183460469231731687303715884105728]");
    same(&(u128::MAX,), "[340282366920938463463374607431768211455]");
}

#[test]
fn a_raw_value_keeps_every_byte() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Raw {
        id: u8,
        raw: Box<RawValue>,
        late: Option<Box<RawValue>>,
    }
    let text = r#"{"b" : 123456789012345678901234567890, "a":1.50e+3,"b":[ ]}"#;
    for args in [format!("[1,{text}]"), format!("[1,{text},{text}]")] {
        let read: Raw = from_args("Any", &args).unwrap();
        assert_eq!(read.raw.get(), text);
        let late = read.late.as_deref().map_or("null", RawValue::get);
        assert_eq!(to_args(&read).unwrap(), format!("[1,{text},{late}]"));
    }
}

#[test]
fn nonfinite_arguments_are_refused() {
    #[derive(Serialize)]
    struct Newtype(f32);

    let refused = |result: Result<String, ArgsError>| match result {
        Err(ArgsError::Write { at, reason }) => {
            assert_eq!(reason, "NaN and infinities have no JSON form");
            at.map(|at| at.index)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(to_args(&f64::NAN)), None);
    assert_eq!(refused(to_args(&Some(f32::INFINITY))), None);
    assert_eq!(refused(to_args(&(1, f64::NEG_INFINITY))), Some(2));
    assert_eq!(refused(to_args(&[Some(1.0), Some(f64::NAN)])), Some(2));
    assert_eq!(refused(to_args(&Newtype(f32::NAN))), Some(1));
    assert_eq!(refused(to_args(&(Newtype(f32::NAN),))), Some(1));
    assert_eq!(to_args(&(None::<f64>, ())).unwrap(), "[null,null]");
}

proptest! {
    #[test]
    fn floats_come_back_bit_for_bit(bits in any::<u64>(), small in any::<u32>()) {
        let (double, single) = (f64::from_bits(bits), f32::from_bits(small));
        prop_assume!(double.is_finite() && single.is_finite());
        let json = to_args(&(double, single)).unwrap();
        let (double_back, single_back): (f64, f32) = from_args("Any", &json).unwrap();
        prop_assert_eq!(double_back.to_bits(), bits);
        prop_assert_eq!(single_back.to_bits(), small);

        let json = to_args(&double).unwrap();
        prop_assert_eq!(from_args::<f64>("Any", &json).unwrap().to_bits(), bits);
        let value: (Value,) = from_args("Any", &json).unwrap();
        prop_assert_eq!(to_args(&value).unwrap(), json);
    }

    #[test]
    fn integers_come_back(a: u64, b: i64, c: u128, d: i128, late: Option<u128>) {
        let wide = Wide { a, b, c, d, value: Value::from(a), late };
        let json = to_args(&wide).unwrap();
        prop_assert_eq!(from_args::<Wide>("Any", &json).unwrap(), wide);
    }
}
