use crate::ast::BinaryOp;

/// The operator between two numbers; a comparison gives 1 or 0.
pub(crate) fn scalar(op: BinaryOp, a: f64, b: f64) -> f64 {
    function(op)(a, b)
}

/// The operator as a function; a comparison gives 1 or 0. Set operators have no numbers.
#[expect(clippy::float_cmp, reason = "the language compares like this")]
pub(super) fn function(op: BinaryOp) -> fn(f64, f64) -> f64 {
    match op {
        BinaryOp::Add => |a, b| a + b,
        BinaryOp::Sub => |a, b| a - b,
        BinaryOp::Mul => |a, b| a * b,
        BinaryOp::Div => |a, b| a / b,
        BinaryOp::Mod => |a, b| a % b,
        BinaryOp::Pow => f64::powf,
        BinaryOp::Atan2 => f64::atan2,
        BinaryOp::Equal => |a, b| f64::from(u8::from(a == b)),
        BinaryOp::NotEqual => |a, b| f64::from(u8::from(a != b)),
        BinaryOp::Less => |a, b| f64::from(u8::from(a < b)),
        BinaryOp::LessEqual => |a, b| f64::from(u8::from(a <= b)),
        BinaryOp::Greater => |a, b| f64::from(u8::from(a > b)),
        BinaryOp::GreaterEqual => |a, b| f64::from(u8::from(a >= b)),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => |_, _| f64::NAN,
    }
}

/// The operator between two columns, into the first.
pub(super) fn columns(op: BinaryOp, into: &mut [f64], other: &[f64]) {
    // One loop for each of the usual operators, so that each has no branch.
    let each = |f: fn(f64, f64) -> f64, into: &mut [f64]| {
        into.iter_mut().zip(other).for_each(|(a, b)| *a = f(*a, *b));
    };
    match op {
        BinaryOp::Add => into.iter_mut().zip(other).for_each(|(a, b)| *a += b),
        BinaryOp::Sub => into.iter_mut().zip(other).for_each(|(a, b)| *a -= b),
        BinaryOp::Mul => into.iter_mut().zip(other).for_each(|(a, b)| *a *= b),
        BinaryOp::Div => into.iter_mut().zip(other).for_each(|(a, b)| *a /= b),
        _ => each(function(op), into),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the results are exact")]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_the_language_counts() {
        let nan = f64::NAN;
        let cases = [
            (BinaryOp::Mod, -7.0, 3.0, -1.0),
            (BinaryOp::Mod, 7.0, -3.0, 1.0),
            (BinaryOp::Pow, 2.0, -1.0, 0.5),
            (BinaryOp::Pow, 1.0, nan, 1.0),
            (BinaryOp::Div, 1.0, 0.0, f64::INFINITY),
            (BinaryOp::NotEqual, nan, nan, 1.0),
            (BinaryOp::Equal, nan, nan, 0.0),
            (BinaryOp::GreaterEqual, 1.0, 1.0, 1.0),
            (BinaryOp::Atan2, 0.0, -1.0, std::f64::consts::PI),
        ];
        for (op, a, b, expected) in cases {
            assert_eq!(scalar(op, a, b), expected, "{a} {op} {b}");
            let mut column = [a];
            columns(op, &mut column, &[b]);
            assert_eq!(column, [expected], "{a} {op} {b}");
        }
        assert!(scalar(BinaryOp::Div, 0.0, 0.0).is_nan());
        assert!(scalar(BinaryOp::Mod, 1.0, 0.0).is_nan());
    }
}
