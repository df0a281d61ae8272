use std::num::NonZeroUsize;
use std::ops::Range;

use super::error::EvalError;

/// Below this, a thread costs more than it brings.
const SMALLEST_PART: usize = 32;

/// Splits `0..count` into one contiguous part a thread, works on all of them at the same time and
/// returns the results in order. How it splits depends on nothing but the numbers.
pub(crate) fn in_parts<R: Send>(
    threads: NonZeroUsize,
    count: usize,
    work: impl Fn(Range<usize>) -> Result<R, EvalError> + Sync,
) -> Result<Vec<R>, EvalError> {
    let parts = threads.get().min(count / SMALLEST_PART).max(1);
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
            let parts = in_parts(threads, count, |part| Ok(part.collect::<Vec<_>>())).unwrap();
            assert_eq!(parts.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_counts() {
        let threads = NonZeroUsize::new(2).unwrap();
        let result = in_parts(threads, 100, |part| {
            if part.start == 0 {
                Ok(())
            } else {
                Err(EvalError::Canceled)
            }
        });
        assert_eq!(result, Err(EvalError::Canceled));
    }
}
