//! Questions to a server before anything is sent that changes it.

use std::time::Instant;

use super::Session;
use crate::api::{Form, HttpRequest, Order};
use crate::command::Command;
use crate::connection::ApiForm;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::ReplyError;

impl Session {
    /// Asks whether the server responds and accepts the credential.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let is_signed = self.requests.endpoint().is_signed();
        let command = if is_signed { Command::stats() } else { Command::info() };
        let mut request = self.requests.request(vec![command])?;
        match self.send(&mut request) {
            Ok(_) => Ok(()),
            // A proxy may pass nothing but the path of the requests that follow.
            Err(page) if matches!(page.status(), Some(200 | 300..=399 | 403..=405)) => self.check_path(page),
            Err(error) => Err(error),
        }
    }

    fn check_path(&mut self, page: Error) -> Result<(), Error> {
        let form = match self.requests.server_form().get() {
            _ if self.requests.endpoint().is_signed() => Form::V1,
            Some(ApiForm::Legacy) => Form::Legacy,
            _ => Form::Batch(Order::Kept),
        };
        let empty = HttpRequest::empty(self.requests.shared_endpoint(), form);
        self.attempt_start = Instant::now();
        match self.exchange(&empty) {
            Ok(response) if response.is_from_centrifugo() && response.status == 400 => Ok(()),
            Ok(response) if response.is_from_centrifugo() => response.into_replies(&empty).map(drop),
            _ => Err(page),
        }
    }

    /// Remembers whether the caller relies on idempotency keys from now on: because the server has just said that it
    /// recognizes them.
    pub(crate) fn rely_on_keys(&mut self, is_supported: bool) {
        self.keys_form = self.requests.server_form().get().filter(|_| is_supported);
    }

    /// Asks whether the server knows the param `idempotency_key`, with one of another type, so that nothing is executed.
    pub(crate) fn knows_idempotency_keys(&mut self) -> Result<bool, Error> {
        if self.requests.server_form().get() != Some(ApiForm::Current) {
            // The older form checks no types: it would say the same in any case.
            return Ok(false);
        }
        let question = [Command::new("publish", r#"{"idempotency_key":1}"#)?];
        let request = HttpRequest::encode(self.requests.shared_endpoint(), Form::Method, question[..].into());
        self.attempt_start = Instant::now();
        let response = self.exchange(&request).map_err(Error::into_read_only)?;
        if response.is_bad_request() {
            return Ok(true);
        }
        let replies = response.into_replies(&request).map_err(Error::into_read_only)?;
        match replies.first().and_then(|reply| reply.errors().first()).and_then(ReplyError::code) {
            Some(107) => Ok(false),
            _ => Err(Error::new(ErrorKind::SafeToRetry, "unexpected response to a publish without a channel")
                .not_retryable()
                .with_subject(request.url())
                .with_replies(replies)),
        }
    }
}
