//! Finds out which form of the API a server has.
//!
//! With an API key, the form of Centrifugo 5 and later comes first. Where a server, or a proxy in front of it, does not
//! have it, nothing was executed, and the older form is used from then on.

use super::Session;
use crate::api::{Form, HINT_SECRET, HttpRequest, HttpResponse, Probe, is_missing};
use crate::connection::ApiForm;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::Reply;

impl Session {
    /// Sends a request in the form that is known, or finds out which one.
    pub(super) fn negotiate(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let known = self.requests.server_form().get();
        if known == Some(ApiForm::Legacy) && request.form().is_current() {
            return self.send_legacy(request);
        }
        let response = self.exchange(request)?;
        if known.is_none() && request.form().is_current() {
            self.read_first(request, response)
        } else {
            response.into_replies(request)
        }
    }

    /// Reads a response that may show that the server does not have the current form of the API.
    fn read_first(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if is_missing(&response, request.form() != Form::Method) {
            return self.fall_back(request, response);
        }
        if response.is_bad_request() {
            let is_centrifugo_1 = self.is_confirmed(Probe::Centrifugo1);
            let result = response.into_replies(request);
            if is_centrifugo_1 {
                return result.map_err(|error| error.with_hint(HINT_SECRET).with_whole_batch_rejected(false));
            }
            self.requests.server_form().set(ApiForm::Current);
            return result;
        }
        let result = response.into_replies(request);
        if let Ok(replies) = &result {
            if is_misunderstood(request, replies) && self.is_confirmed(Probe::RootPath) {
                self.requests.server_form().set(ApiForm::Legacy);
                return self.send_legacy(request);
            }
            self.requests.server_form().set(ApiForm::Current);
        }
        result
    }

    /// Sends the commands in the older form, after a response which shows that nothing was executed.
    fn fall_back(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if request.form().is_unordered() && response.status != 200 {
            let is_older_server = self.is_confirmed(Probe::LegacyApi);
            let result = response.into_replies(request);
            return result.map_err(|error| if is_older_server { error.with_hint(HINT_UNORDERED) } else { error });
        }
        let is_method = request.form() == Form::Method;
        let result = self.send_legacy(request);
        // A later server has the current form too, but not every method.
        if result.as_ref().is_ok_and(|replies| !(is_method && error_code(replies) == Some(104))) {
            self.requests.server_form().set(ApiForm::Legacy);
        }
        let is_missing_too = result.as_ref().is_err_and(|error| error.status() == Some(404));
        // The method may be unknown, and not the API missing.
        if is_method && is_missing_too && self.is_confirmed(Probe::CurrentApi) {
            request.reencode(Form::Method);
            return response.into_replies(request);
        }
        result
    }

    fn send_legacy(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if request.form().is_unordered() {
            let error = Error::new(ErrorKind::Rejected, "the server has no /api/batch");
            return Err(error.with_subject(request.url()).with_hint(HINT_UNORDERED));
        }
        request.reencode(Form::Legacy);
        self.exchange(request)?.into_replies(request)
    }

    fn is_confirmed(&mut self, probe: Probe) -> bool {
        let request = probe.request(self.requests.shared_endpoint());
        self.exchange(&request).is_ok_and(|response| probe.is_confirmed_by(&response))
    }
}

const HINT_UNORDERED: &str = "concurrent batches need Centrifugo 5.2 or later: send them in order";

/// Whether the only command failed as it would on a server whose API is at `/`.
fn is_misunderstood(request: &HttpRequest<'_>, replies: &[Reply]) -> bool {
    request.form() == Form::Method && error_code(replies) == Some(107)
}

/// The code of the first reply's error.
fn error_code(replies: &[Reply]) -> Option<u64> {
    replies.first()?.errors().first()?.code()
}
