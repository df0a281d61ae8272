use system_stats_model::sample::Millis;

/// The times at which an expression is evaluated: `start`, `start + step`, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeline {
    /// The first time, in milliseconds since 1970.
    pub start: Millis,
    /// The distance, in milliseconds, above 0.
    pub step: Millis,
    /// How many times there are.
    pub steps: usize,
}

impl Timeline {
    /// One time only.
    #[must_use]
    pub fn instant(at: Millis) -> Self {
        Self {
            start: at,
            step: 1,
            steps: 1,
        }
    }

    /// From `start` to at most `end`, which is itself a step where the distance divides evenly.
    /// No step at all when `end` lies before `start`.
    #[must_use]
    pub fn between(start: Millis, end: Millis, step: Millis) -> Self {
        let step = step.max(1);
        let steps = match end.checked_sub(start) {
            Some(length) if length >= 0 => usize::try_from(length / step).map_or(0, |n| n + 1),
            _ => 0,
        };
        Self { start, step, steps }
    }

    /// The time of step `at`.
    #[must_use]
    pub fn time(&self, at: usize) -> Millis {
        #[expect(clippy::cast_possible_wrap, reason = "a step lies within the timeline")]
        let at = at as Millis;
        self.start.saturating_add(self.step.saturating_mul(at))
    }

    /// The time of the last step; `start` if there is none.
    #[must_use]
    pub fn end(&self) -> Millis {
        self.time(self.steps.saturating_sub(1))
    }

    /// The same number of steps, all at one time if `at` is given, and `offset` earlier.
    pub(crate) fn shifted(&self, at: Option<Millis>, offset: Millis) -> Reference {
        Reference {
            first: at.unwrap_or(self.start).saturating_sub(offset),
            step: if at.is_some() { 0 } else { self.step },
            steps: self.steps,
        }
    }
}

/// The times at which a selector looks: one for each step of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) first: Millis,
    /// 0 when all of them are the same.
    pub(crate) step: Millis,
    pub(crate) steps: usize,
}

impl Reference {
    pub(crate) fn time(&self, at: usize) -> Millis {
        #[expect(clippy::cast_possible_wrap, reason = "a step lies within the timeline")]
        let at = at as Millis;
        self.first.saturating_add(self.step.saturating_mul(at))
    }

    pub(crate) fn last(&self) -> Millis {
        self.time(self.steps.saturating_sub(1))
    }
}
