use std::fmt;

use super::ValueType;
use super::ValueType::{Matrix, Scalar, String, Vector};

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One for each type in the signature.
    Exact,
    /// The last one may be left out.
    LastOptional,
    /// The last one may be left out or repeated.
    LastAnyTimes,
    /// The last one may be there up to ten times.
    LastTenTimes,
}

/// What a function takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// As it is written.
    pub name: &'static str,
    /// The types of the arguments.
    pub args: &'static [ValueType],
    /// How many of them there are.
    pub arity: Arity,
    /// The type of the result.
    pub returns: ValueType,
    /// Whether it has to be enabled.
    pub experimental: bool,
}

const fn stable(
    name: &'static str,
    args: &'static [ValueType],
    arity: Arity,
    returns: ValueType,
) -> Signature {
    Signature {
        name,
        args,
        arity,
        returns,
        experimental: false,
    }
}

const fn experimental(
    name: &'static str,
    args: &'static [ValueType],
    arity: Arity,
    returns: ValueType,
) -> Signature {
    Signature {
        name,
        args,
        arity,
        returns,
        experimental: true,
    }
}

macro_rules! functions {
    ($($variant:ident $kind:ident $name:literal [$($arg:ident)*] $arity:ident $returns:ident;)*) => {
        /// A function of the language. Each variant's name is the function's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "a variant says no more than the name of its function")]
        pub enum Function {
            $($variant,)*
        }

        impl Function {
            /// All of them, ascending by name.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it takes and gives.
            #[must_use]
            pub fn signature(self) -> &'static Signature {
                match self {
                    $(Self::$variant => {
                        const SIGNATURE: Signature =
                            $kind($name, &[$($arg),*], Arity::$arity, $returns);
                        &SIGNATURE
                    })*
                }
            }
        }
    };
}

functions! {
    Abs stable "abs" [Vector] Exact Vector;
    Absent stable "absent" [Vector] Exact Vector;
    AbsentOverTime stable "absent_over_time" [Matrix] Exact Vector;
    Acos stable "acos" [Vector] Exact Vector;
    Acosh stable "acosh" [Vector] Exact Vector;
    Asin stable "asin" [Vector] Exact Vector;
    Asinh stable "asinh" [Vector] Exact Vector;
    Atan stable "atan" [Vector] Exact Vector;
    Atanh stable "atanh" [Vector] Exact Vector;
    AvgOverTime stable "avg_over_time" [Matrix] Exact Vector;
    Ceil stable "ceil" [Vector] Exact Vector;
    Changes stable "changes" [Matrix] Exact Vector;
    Clamp stable "clamp" [Vector Scalar Scalar] Exact Vector;
    ClampMax stable "clamp_max" [Vector Scalar] Exact Vector;
    ClampMin stable "clamp_min" [Vector Scalar] Exact Vector;
    Cos stable "cos" [Vector] Exact Vector;
    Cosh stable "cosh" [Vector] Exact Vector;
    CountOverTime stable "count_over_time" [Matrix] Exact Vector;
    DayOfMonth stable "day_of_month" [Vector] LastOptional Vector;
    DayOfWeek stable "day_of_week" [Vector] LastOptional Vector;
    DayOfYear stable "day_of_year" [Vector] LastOptional Vector;
    DaysInMonth stable "days_in_month" [Vector] LastOptional Vector;
    Deg stable "deg" [Vector] Exact Vector;
    Delta stable "delta" [Matrix] Exact Vector;
    Deriv stable "deriv" [Matrix] Exact Vector;
    DoubleExponentialSmoothing experimental "double_exponential_smoothing" [Matrix Scalar Scalar] Exact Vector;
    End experimental "end" [] Exact Scalar;
    Exp stable "exp" [Vector] Exact Vector;
    FirstOverTime stable "first_over_time" [Matrix] Exact Vector;
    Floor stable "floor" [Vector] Exact Vector;
    HistogramAvg stable "histogram_avg" [Vector] Exact Vector;
    HistogramCount stable "histogram_count" [Vector] Exact Vector;
    HistogramFraction stable "histogram_fraction" [Scalar Scalar Vector] Exact Vector;
    HistogramQuantile stable "histogram_quantile" [Scalar Vector] Exact Vector;
    HistogramQuantiles experimental "histogram_quantiles" [Vector String Scalar] LastTenTimes Vector;
    HistogramStddev stable "histogram_stddev" [Vector] Exact Vector;
    HistogramStdvar stable "histogram_stdvar" [Vector] Exact Vector;
    HistogramSum stable "histogram_sum" [Vector] Exact Vector;
    Hour stable "hour" [Vector] LastOptional Vector;
    Idelta stable "idelta" [Matrix] Exact Vector;
    Increase stable "increase" [Matrix] Exact Vector;
    Info experimental "info" [Vector Vector] LastOptional Vector;
    Irate stable "irate" [Matrix] Exact Vector;
    LabelJoin stable "label_join" [Vector String String String] LastAnyTimes Vector;
    LabelReplace stable "label_replace" [Vector String String String String] Exact Vector;
    LastOverTime stable "last_over_time" [Matrix] Exact Vector;
    Ln stable "ln" [Vector] Exact Vector;
    Log10 stable "log10" [Vector] Exact Vector;
    Log2 stable "log2" [Vector] Exact Vector;
    MadOverTime experimental "mad_over_time" [Matrix] Exact Vector;
    MaxOf experimental "max_of" [Scalar Scalar] Exact Scalar;
    MaxOverTime stable "max_over_time" [Matrix] Exact Vector;
    MinOf experimental "min_of" [Scalar Scalar] Exact Scalar;
    MinOverTime stable "min_over_time" [Matrix] Exact Vector;
    Minute stable "minute" [Vector] LastOptional Vector;
    Month stable "month" [Vector] LastOptional Vector;
    Pi stable "pi" [] Exact Scalar;
    PredictLinear stable "predict_linear" [Matrix Scalar] Exact Vector;
    PresentOverTime stable "present_over_time" [Matrix] Exact Vector;
    QuantileOverTime stable "quantile_over_time" [Scalar Matrix] Exact Vector;
    Rad stable "rad" [Vector] Exact Vector;
    Range experimental "range" [] Exact Scalar;
    Rate stable "rate" [Matrix] Exact Vector;
    Resets stable "resets" [Matrix] Exact Vector;
    Round stable "round" [Vector Scalar] LastOptional Vector;
    Scalar stable "scalar" [Vector] Exact Scalar;
    Sgn stable "sgn" [Vector] Exact Vector;
    Sin stable "sin" [Vector] Exact Vector;
    Sinh stable "sinh" [Vector] Exact Vector;
    Sort stable "sort" [Vector] Exact Vector;
    SortByLabel experimental "sort_by_label" [Vector String] LastAnyTimes Vector;
    SortByLabelDesc experimental "sort_by_label_desc" [Vector String] LastAnyTimes Vector;
    SortDesc stable "sort_desc" [Vector] Exact Vector;
    Sqrt stable "sqrt" [Vector] Exact Vector;
    Start experimental "start" [] Exact Scalar;
    StddevOverTime stable "stddev_over_time" [Matrix] Exact Vector;
    StdvarOverTime stable "stdvar_over_time" [Matrix] Exact Vector;
    Step experimental "step" [] Exact Scalar;
    SumOverTime stable "sum_over_time" [Matrix] Exact Vector;
    Tan stable "tan" [Vector] Exact Vector;
    Tanh stable "tanh" [Vector] Exact Vector;
    Time stable "time" [] Exact Scalar;
    Timestamp stable "timestamp" [Vector] Exact Vector;
    TsOfFirstOverTime stable "ts_of_first_over_time" [Matrix] Exact Vector;
    TsOfLastOverTime experimental "ts_of_last_over_time" [Matrix] Exact Vector;
    TsOfMaxOverTime experimental "ts_of_max_over_time" [Matrix] Exact Vector;
    TsOfMinOverTime experimental "ts_of_min_over_time" [Matrix] Exact Vector;
    Vector stable "vector" [Scalar] Exact Vector;
    Year stable "year" [Vector] LastOptional Vector;
}

impl Function {
    /// The function of that name; names are case-sensitive.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let at = Self::ALL.binary_search_by_key(&name, |f| f.name()).ok()?;
        Some(Self::ALL[at])
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.signature().name
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::ALL {
            assert_eq!(Function::named(function.name()), Some(*function));
        }
        assert_eq!(Function::named("Rate"), None);
        assert_eq!(Function::named("holt_winters"), None);
    }

    #[test]
    fn a_last_argument_exists_where_it_may_vary() {
        for function in Function::ALL {
            let signature = function.signature();
            assert!(
                signature.arity == Arity::Exact || !signature.args.is_empty(),
                "{function}"
            );
        }
    }
}
