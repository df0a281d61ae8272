use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Scalars, Vector};
use super::{Filtered, Mapped, first};
use crate::ast::Function;
use crate::plan::Node;
use crate::value::Timeline;

/// The functions of one value.
pub(super) fn of_value(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Abs => f64::abs,
        Function::Acos => f64::acos,
        Function::Acosh => f64::acosh,
        Function::Asin => f64::asin,
        Function::Asinh => f64::asinh,
        Function::Atan => f64::atan,
        Function::Atanh => f64::atanh,
        Function::Ceil => f64::ceil,
        Function::Cos => f64::cos,
        Function::Cosh => f64::cosh,
        Function::Deg => |value| value * 180.0 / std::f64::consts::PI,
        Function::Exp => f64::exp,
        Function::Floor => f64::floor,
        Function::Ln => f64::ln,
        Function::Log10 => f64::log10,
        Function::Log2 => f64::log2,
        Function::Rad => |value| value * std::f64::consts::PI / 180.0,
        Function::Sgn => sign,
        Function::Sin => f64::sin,
        Function::Sinh => f64::sinh,
        Function::Sqrt => f64::sqrt,
        Function::Tan => f64::tan,
        Function::Tanh => f64::tanh,
        _ => return None,
    })
}

/// Zeros and NaN stay what they are.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// `clamp`, `clamp_min`, `clamp_max` and `round`.
pub(super) fn with_scalars<'e>(
    evaluator: &'e Evaluator<'_>,
    node: &Node,
    (function, args): (Function, &[Node]),
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let scalar = |at: usize, default: f64| match args.get(at) {
        Some(arg) => evaluator.scalars(arg, on),
        None => Ok(Scalars::Same(default)),
    };
    let (min, max) = match function {
        Function::Round => {
            let nearest = scalar(1, 1.0)?;
            let input = evaluator.vector(first(args, node)?, on)?;
            let round = move |step, value: f64| {
                let inverse = 1.0 / nearest.at(step);
                (value * inverse + 0.5).floor() / inverse
            };
            return Ok(Vector::lazy(Mapped::new(input, round)));
        }
        Function::ClampMin => (scalar(1, f64::NEG_INFINITY)?, Scalars::Same(f64::INFINITY)),
        Function::ClampMax => (Scalars::Same(f64::NEG_INFINITY), scalar(1, f64::INFINITY)?),
        _ => (scalar(1, f64::NEG_INFINITY)?, scalar(2, f64::INFINITY)?),
    };
    let input = evaluator.told_apart(evaluator.vector(first(args, node)?, on)?)?;
    let clamp = move |step, value| {
        let (min, max) = (min.at(step), max.at(step));
        (max >= min || max.is_nan() || min.is_nan()).then(|| larger(min, smaller(max, value)))
    };
    Ok(Vector::lazy(Filtered::new(input, true, clamp)))
}

/// The larger of two, NaN if either is, unless one is infinite and decides.
fn larger(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the results are exact")]
mod tests {
    use super::*;

    #[test]
    fn signs_keep_zeros_and_nan() {
        assert_eq!([sign(-3.0), sign(2.0), sign(0.0)], [-1.0, 1.0, 0.0]);
        assert!(sign(-0.0).is_sign_negative());
        assert!(sign(f64::NAN).is_nan());
    }

    #[test]
    fn extremes_of_nan_and_infinity() {
        assert_eq!(larger(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert!(larger(f64::NAN, 1.0).is_nan());
        assert_eq!(smaller(f64::NEG_INFINITY, f64::NAN), f64::NEG_INFINITY);
        assert_eq!(smaller(1.0, 2.0), 1.0);
    }
}
