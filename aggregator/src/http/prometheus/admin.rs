//! `/api/v1/admin/tsdb/…`: what removes stored samples, if it is allowed at all.

use axum::extract::State;
use axum::http::StatusCode;
use system_stats_storage::{DeleteError, FoldFailure};

use super::form::{Form, MATCH, invalid};
use crate::http::error::ApiError;
use crate::http::state::{Shared, State as Parts};

/// `POST` and `PUT /api/v1/admin/tsdb/delete_series?match[]=&start=&end=`. Answered when it is
/// durable; what is written later stays.
pub(in crate::http) async fn delete_series(
    State(state): Shared,
    form: Form,
) -> Result<StatusCode, ApiError> {
    allowed(&state)?;
    form.check()?;
    if form.all(MATCH).next().is_none() {
        return Err(ApiError::BadRequest(
            "no match[] parameter provided".to_owned(),
        ));
    }
    let range = form.range()?;
    let read = |text| {
        let matchers = state.query.matchers(text);
        matchers.map_err(|reason| invalid(MATCH, &reason.to_string()))
    };
    let sets = form.all(MATCH).map(read).collect::<Result<Vec<_>, _>>()?;
    for matchers in sets {
        let (ticket, _) = state.storage.delete(&matchers, range).await?;
        state.storage.committed(ticket).await.map_err(|error| {
            tracing::warn!(%error, "a deletion is not durable");
            unavailable()
        })?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST` and `PUT /api/v1/admin/tsdb/clean_tombstones`: what is deleted leaves the blocks now.
pub(in crate::http) async fn clean_tombstones(
    State(state): Shared,
) -> Result<StatusCode, ApiError> {
    allowed(&state)?;
    state.storage.purge().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn allowed(state: &Parts) -> Result<(), ApiError> {
    if state.is_admin_allowed {
        return Ok(());
    }
    Err(ApiError::AdminDisabled)
}

fn unavailable() -> ApiError {
    ApiError::Unavailable("the store is unavailable, try again later".to_owned())
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        tracing::warn!(%error, "nothing was deleted");
        unavailable()
    }
}

impl From<FoldFailure> for ApiError {
    fn from(error: FoldFailure) -> Self {
        tracing::error!(%error, "what is deleted could not be taken out of the blocks");
        match error {
            FoldFailure::Store(_) => unavailable(),
            _ => Self::Internal,
        }
    }
}
