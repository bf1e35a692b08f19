//! A batch that a server rejects as a whole: the client's own sending halves it.

use super::Session;
use crate::api::HttpRequest;
use crate::command::Command;
use crate::error::Error;
use crate::reply::Reply;

impl Session {
    /// Sends a request, and in parts if the server rejects it as a whole: because of its size, or because of one command,
    /// until it is known which one. The commands before that one are executed on the way.
    pub(crate) fn send_halving(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let commands = request.commands().len();
        // The server takes at most `max` commands, and if it rejects them because of one, that is before `end`.
        let (mut start, mut end, mut max) = (0, commands, commands);
        let (mut replies, mut rejection) = (Vec::new(), None);
        while start < end {
            let part = if rejection.is_some() { (end - start) / 2 } else { end - start }.min(max);
            if part == 0 {
                break;
            }
            let is_whole = part == commands;
            let result = if is_whole { self.send(request) } else { self.send(&mut request.part(start, start + part)) };
            match result {
                Ok(more) => {
                    replies.extend(more);
                    start += part;
                }
                Err(error) if error.rejects_whole_batch() && error.status() == Some(413) => max = part / 2,
                Err(error) if error.rejects_whole_batch() && commands > 1 => {
                    end = start + part;
                    rejection = Some(error);
                }
                Err(error) => return Err(if is_whole { error } else { error.with_answered(replies) }),
            }
        }
        let Some(error) = rejection else { return Ok(replies) };
        let method = request.commands().get(start).map_or("", Command::method);
        Err(error.with_whole_batch_rejected(false).with_invalid_command(start, method).with_answered(replies))
    }
}
