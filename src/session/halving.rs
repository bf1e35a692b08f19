//! A batch that a server rejects because of one command: the client's own sending halves it.

use super::Session;
use crate::api::HttpRequest;
use crate::command::Command;
use crate::error::Error;
use crate::reply::Reply;

impl Session {
    /// Sends a request, and in parts if the server rejects it because of one command: until it is known which one. The
    /// commands before it are executed on the way.
    pub(crate) fn send_halving(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let error = match self.send(request) {
            Err(error) if error.rejects_whole_batch() => error,
            result => return result,
        };
        let (mut start, mut end) = (0, request.commands().len());
        let mut replies = Vec::new();
        while end - start > 1 {
            let middle = start + (end - start) / 2;
            match self.send(&mut request.part(start, middle)) {
                Ok(more) => {
                    replies.extend(more);
                    start = middle;
                }
                Err(error) if error.rejects_whole_batch() => end = middle,
                Err(error) => return Err(error.with_answered(replies)),
            }
        }
        let method = request.commands().get(start).map_or("", Command::method);
        Err(error.with_whole_batch_rejected(false).with_invalid_command(start, method).with_answered(replies))
    }
}
