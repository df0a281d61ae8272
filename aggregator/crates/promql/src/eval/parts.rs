use std::num::NonZeroUsize;
use std::ops::Range;

use super::error::EvalError;

/// Below so many columns, and below so many samples and steps in them, a thread costs more than it
/// brings.
const SMALLEST_PART: usize = 32;
const SMALLEST_EFFORT: usize = 1 << 14;

/// Splits `0..count` into one contiguous part a thread, works on all of them at the same time and
/// returns the results in order. How it splits depends on nothing but the numbers; `effort` is
/// about how many samples and steps each of them takes.
pub(crate) fn in_parts<R: Send>(
    threads: NonZeroUsize,
    count: usize,
    effort: usize,
    work: impl Fn(Range<usize>) -> Result<R, EvalError> + Sync,
) -> Result<Vec<R>, EvalError> {
    let worth = count.saturating_mul(effort) / SMALLEST_EFFORT;
    let parts = threads.get().min(count / SMALLEST_PART).min(worth).max(1);
    if parts == 1 {
        return Ok(vec![work(0..count)?]);
    }
    let bound = |part: usize| count * part / parts;
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| scope.spawn(move || work(bound(part)..bound(part + 1))))
            .collect();
        let mut results = vec![work(0..bound(1))?];
        for other in others {
            // A panic there goes on here.
            let result = other
                .join()
                .unwrap_or_else(|e| std::panic::resume_unwind(e));
            results.push(result?);
        }
        Ok(results)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_in_order() {
        for (threads, count) in [(1, 100), (2, 0), (2, 63), (2, 64), (3, 1000), (8, 100)] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let all = |part: Range<usize>| Ok(part.collect::<Vec<_>>());
            let parts = in_parts(threads, count, SMALLEST_EFFORT, all).unwrap();
            assert_eq!(parts.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_what_takes_a_while_is_split() {
        // Columns, samples and steps in each, and parts.
        let cases = [
            (1000, 1, 1),
            (1000, 21, 1),
            (63, 100_000, 1),
            (100, 301, 1),
            (200, 301, 3),
            (1000, 301, 4),
            (40_000, 1, 2),
        ];
        let threads = NonZeroUsize::new(4).unwrap();
        for (count, effort, expected) in cases {
            let parts = in_parts(threads, count, effort, |_| Ok(())).unwrap();
            assert_eq!(parts.len(), expected, "{count} x {effort}");
        }
    }

    #[test]
    fn the_first_error_counts() {
        let threads = NonZeroUsize::new(2).unwrap();
        let result = in_parts(threads, 100, SMALLEST_EFFORT, |part| {
            if part.start == 0 {
                Ok(())
            } else {
                Err(EvalError::Canceled)
            }
        });
        assert_eq!(result, Err(EvalError::Canceled));
    }
}
