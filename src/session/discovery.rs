//! Finds out which form of the API a server has.
//!
//! With an API key, the form of Centrifugo 5 and later comes first. Where a server does not have it, nothing was executed,
//! and the older form is used from then on. A page of a proxy is no proof of that: the server is asked, with requests that
//! execute nothing. Once the form is known, only the server's own 404 lets it be found out anew: another server has taken
//! the place of the one before. Commands whose idempotency keys the caller relies on stay in the form in which the server
//! has said that it recognizes keys.

use super::Session;
use crate::api::{Form, HINT_SECRET, HttpRequest, HttpResponse, Order, Probe, is_single_error};
use crate::connection::ApiForm;
use crate::error::Error;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY};
use crate::reply::Reply;
use crate::retry::Repeat;

impl Session {
    /// Sends a request in the form that is known, or finds out which one.
    pub(super) fn negotiate(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let known = self.requests.server_form().get();
        let needs_keys = self.keys_form == Some(ApiForm::Current) && request.repeat() == Repeat::Keys;
        match request.form() {
            Form::Legacy if needs_keys => encode_current(request),
            form if known == Some(ApiForm::Legacy) && form.is_current() && !needs_keys => encode_legacy(request)?,
            _ => {}
        }
        let response = self.exchange(request)?;
        if response.is_missing_path() && (known.is_none() || is_known(request)) {
            match request.form() {
                Form::V1 => {}
                Form::Legacy => return self.send_current(request),
                Form::Method | Form::Batch(_) if needs_keys => return self.decline_to_fall_back(request, response),
                Form::Method | Form::Batch(_) => return self.fall_back(request, response),
            }
        }
        if known.is_none() { self.read_first(request, response) } else { response.into_replies(request) }
    }

    /// Reads a response of a server whose form is not known yet.
    fn read_first(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if response.is_redirect() {
            return self.question_redirect(request, response);
        }
        if is_page(request, &response) {
            return self.question_page(request, response);
        }
        if !request.form().is_current() {
            return response.into_replies(request);
        }
        if request.form() != Form::Method && response.status == 200 && is_single_error(&response) {
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

    /// Decides about a page: the older form follows only if a proxy does not pass the path of the current one. Otherwise the
    /// page came in the place of a response, and the commands may have been executed.
    fn question_page(&mut self, request: &mut HttpRequest<'_>, page: HttpResponse) -> Result<Vec<Reply>, Error> {
        let has_api = request.form() != Form::V1 && self.is_confirmed(Probe::LegacyApi);
        let status = page.status;
        let result = match self.origin(&page, has_api, request) {
            Origin::UnpassedPath => return self.fall_back(request, page),
            Origin::Between => page.into_replies(request),
            Origin::ForeignAddress => foreign_address(page, request),
        };
        // An empty 200, too, is why it failed.
        result.map_err(|error| error.with_status(status))
    }

    /// Decides about a redirect: nothing was executed if an empty request gets the same, and no Centrifugo has responded
    /// before. Otherwise it may have come in the place of a response.
    fn question_redirect(&mut self, request: &HttpRequest<'_>, redirect: HttpResponse) -> Result<Vec<Reply>, Error> {
        let (status, hint) = (redirect.status, redirect.redirect_hint(request.url()));
        let is_same = |again: HttpResponse| again.is_redirect() && again.status == status;
        let is_path = !self.has_answered && self.exchange(&request.without_commands()).is_ok_and(is_same);
        let result = redirect.into_replies(request);
        if is_path { result.map_err(|error| error.into_rejected(hint)) } else { result }
    }

    /// Where a page came from, by what responds to nothing at the same path. `has_api` is whether Centrifugo responds at
    /// another one.
    fn origin(&mut self, page: &HttpResponse, has_api: bool, request: &HttpRequest<'_>) -> Origin {
        match self.exchange(&request.without_commands()) {
            Ok(again) if again.is_from_centrifugo() => Origin::Between,
            _ if !has_api => Origin::ForeignAddress,
            Ok(again) if again.is_page() && again.status == page.status => Origin::UnpassedPath,
            _ => Origin::Between,
        }
    }

    /// Sends the commands in the older form, after a response which shows that nothing was executed.
    fn fall_back(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if request.form().is_unordered() && response.status != 200 {
            let is_older_server = self.is_confirmed(Probe::LegacyApi);
            let result = response.into_replies(request);
            return result.map_err(|error| if is_older_server { error.into_rejected(HINT_UNORDERED) } else { error });
        }
        let is_method = request.form() == Form::Method;
        encode_legacy(request)?;
        let legacy = self.exchange(request)?;
        if legacy.is_redirect() {
            return self.question_redirect(request, legacy);
        }
        // The method may be unknown, and not the API missing.
        let mut has_current_api = || is_method && self.is_confirmed(Probe::CurrentApi);
        let is_unknown_method = if is_page(request, &legacy) {
            let has_api = has_current_api();
            match self.origin(&legacy, has_api, request) {
                Origin::UnpassedPath => true,
                Origin::Between => false,
                Origin::ForeignAddress => return foreign_address(legacy, request),
            }
        } else {
            legacy.is_missing_path() && has_current_api()
        };
        if is_unknown_method {
            request.reencode(Form::Method);
            return response.into_replies(request);
        }
        let result = legacy.into_replies(request);
        // A later server has the current form too, but not every method.
        if result.as_ref().is_ok_and(|replies| !(is_method && error_code(replies) == Some(104))) {
            self.requests.server_form().set(ApiForm::Legacy);
        }
        result
    }

    /// Sends nothing in the older form after the server's own 404, because servers that have no other ignore idempotency
    /// keys: the caller would send the commands again to one that recognizes them.
    fn decline_to_fall_back(&mut self, request: &HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        const MESSAGE: &str = "the server no longer has the API that recognizes idempotency keys (404)";
        // The method may be unknown, and not the API missing.
        if request.form() == Form::Method && self.is_confirmed(Probe::CurrentApi) {
            return response.into_replies(request);
        }
        Err(Error::new(ErrorKind::SafeToRetry, MESSAGE)
            .with_subject(request.url())
            .with_hint("nothing was accepted: try again when Centrifugo 5.2 or later responds")
            .with_status(response.status))
    }

    /// Sends the commands in the current form, to a server which has taken the place of one with the older form.
    fn send_current(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        encode_current(request);
        let result = self.exchange(request)?.into_replies(request);
        if result.is_ok() {
            self.requests.server_form().set(ApiForm::Current);
        }
        result
    }

    fn send_legacy(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        encode_legacy(request)?;
        self.exchange(request)?.into_replies(request)
    }

    fn is_confirmed(&mut self, probe: Probe) -> bool {
        let request = probe.request(self.requests.shared_endpoint());
        self.exchange(&request).is_ok_and(|response| probe.is_confirmed_by(&response))
    }
}

/// Where a page came from.
enum Origin {
    /// A proxy that does not pass the path, so that nothing was executed.
    UnpassedPath,
    /// A proxy that sent it instead of the server's response.
    Between,
    /// Something else than Centrifugo.
    ForeignAddress,
}

fn encode_current(request: &mut HttpRequest<'_>) {
    request.reencode(if request.commands().len() == 1 { Form::Method } else { Form::Batch(Order::Kept) });
}

fn encode_legacy(request: &mut HttpRequest<'_>) -> Result<(), Error> {
    if request.form().is_unordered() {
        let error = Error::new(ErrorKind::Rejected, "the server has no /api/batch");
        return Err(error.with_subject(request.url()).with_hint(HINT_UNORDERED));
    }
    request.reencode(Form::Legacy);
    Ok(())
}

const HINT_UNORDERED: &str = "concurrent batches need Centrifugo 5.2 or later: send them in order";

/// Whether some server has what the request asks for, so that a missing path is not about an unknown method.
fn is_known(request: &HttpRequest<'_>) -> bool {
    let [command] = request.commands() else { return true };
    matches!(request.form(), Form::Batch(_)) || command.known_method().is_some()
}

/// Whether a page may show that a proxy does not pass the path. An empty 200 shows so for the paths of the current form.
fn is_page(request: &HttpRequest<'_>, response: &HttpResponse) -> bool {
    response.is_page() && (response.status != 200 || request.form().is_current())
}

/// The result of a page at an address where no Centrifugo responds.
fn foreign_address(page: HttpResponse, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
    const HINT: &str = "no Centrifugo responds at this address: check it";
    page.into_replies(request).map_err(|error| match request.repeat() {
        Repeat::Reads => error.into_read_only().with_hint(HINT),
        _ => error.with_hint(format!("{HINT}; if it is right, {HINT_CHECK_BEFORE_RETRY}")),
    })
}

/// Whether the only command failed as it would on a server whose API is at `/`.
fn is_misunderstood(request: &HttpRequest<'_>, replies: &[Reply]) -> bool {
    request.form() == Form::Method && error_code(replies) == Some(107)
}

/// The code of the first reply's error.
fn error_code(replies: &[Reply]) -> Option<u64> {
    replies.first()?.errors().first()?.code()
}
