//! A batch that a server rejects because of one command: the client's own sending halves it.

use std::time::Instant;

use super::Session;
use crate::api::HttpRequest;
use crate::command::Command;
use crate::connection::ApiForm;
use crate::error::Error;

impl Session {
    /// Finds the first invalid command of a batch that was rejected as a whole, by halving it. The commands before it are
    /// executed on the way.
    pub(super) fn find_invalid(&mut self, request: &HttpRequest<'_>, error: Error) -> Error {
        let (mut start, mut end) = (0, request.commands().len());
        let mut replies = Vec::new();
        while end - start > 1 {
            let middle = start + (end - start) / 2;
            let part = request.part(start, middle);
            self.attempt_start = Instant::now();
            let result = match self.exchange(&part) {
                Ok(response) if response.is_bad_request() => {
                    end = middle;
                    continue;
                }
                Ok(response) => response.into_replies(&part),
                Err(error) => Err(error),
            };
            match result {
                Ok(more) => {
                    self.requests.server_form().set(ApiForm::Current);
                    replies.extend(more);
                }
                Err(error) => return error.with_answered(replies),
            }
            start = middle;
        }
        let method = request.commands().get(start).map_or("", Command::method);
        error.with_invalid_command(start, method).with_answered(replies)
    }
}
