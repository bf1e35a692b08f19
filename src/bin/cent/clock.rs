//! How long ago something was, also if that was before this program began.

use std::fs;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

/// Counts from the start of the machine, also while it sleeps, and nobody can set it.
#[cfg(target_os = "linux")]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// When something was, by two clocks in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Since 1970. A clock before that counts as 1970.
    pub(crate) time: u64,
    /// Since the start of the machine.
    pub(crate) uptime: u64,
    /// What timestamps have in common whose uptimes can be compared: the start of the machine, and a time namespace. None
    /// if the system does not say.
    pub(crate) machine: Option<String>,
}

impl Timestamp {
    /// How long ago this was: the larger of what both clocks say, because the wall clock can be set back, and the other
    /// one stands still while a virtual machine is paused. None if the machine was restarted since, or may have been.
    pub(crate) fn age(&self, now: &Self) -> Option<Duration> {
        let is_same_machine = self.machine.is_some() && self.machine == now.machine;
        let age = now.time.saturating_sub(self.time).max(now.uptime.saturating_sub(self.uptime));
        is_same_machine.then_some(Duration::from_secs(age))
    }

    /// Whether it is longer ago than this even by the clock that says less.
    pub(crate) fn is_surely_older(&self, than: Duration, now: &Self) -> bool {
        let age = now.time.saturating_sub(self.time).min(now.uptime.saturating_sub(self.uptime));
        self.age(now).is_some() && Duration::from_secs(age) > than
    }
}

/// The clocks of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    machine: Option<String>,
}

impl Clock {
    /// For timestamps that other runs read.
    pub(crate) fn of_machine() -> Self {
        Self { machine: machine() }
    }

    /// For timestamps that are not written down: during a run, the machine stays the same.
    pub(crate) fn of_this_run() -> Self {
        Self { machine: Some(String::new()) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
        let uptime = u64::try_from(clock_gettime(BOOT_CLOCK).tv_sec).unwrap_or_default();
        Timestamp { time, uptime, machine: self.machine.clone() }
    }
}

fn machine() -> Option<String> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = missing_as_default(fs::read_link("/proc/self/ns/time"))?;
    // A new namespace can get the number of one that is gone.
    let offsets = missing_as_default(fs::read_to_string("/proc/self/timens_offsets"))?;
    let digest = Sha256::digest(format!("{boot_id}\n{}\n{offsets}", namespace.display()));
    hex::encode(digest).get(..32).map(str::to_owned)
}

/// Kernels before Linux 5.6 have no time namespaces.
fn missing_as_default<T: Default>(result: io::Result<T>) -> Option<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(T::default()),
        result => result.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64, uptime: u64, machine: Option<&str>) -> Timestamp {
        Timestamp { time, uptime, machine: machine.map(str::to_owned) }
    }

    #[test]
    fn age_is_the_larger_of_both_clocks() {
        let first = at(1000, 100, Some("m"));
        let age = |time, uptime| first.age(&at(time, uptime, Some("m"))).unwrap().as_secs();
        assert_eq!((age(1010, 110), age(1011, 110), age(1010, 111)), (10, 11, 11));
        // The wall clock was set back, or far ahead.
        assert_eq!((age(0, 110), age(9000, 110)), (10, 8000));
        // A moment that has not come yet, by both.
        assert_eq!(age(0, 0), 0);
        let is_older = |time, uptime| first.is_surely_older(Duration::from_secs(10), &at(time, uptime, Some("m")));
        assert!(is_older(1011, 111) && !is_older(1010, 111) && !is_older(1011, 110));
    }

    #[test]
    fn age_is_unknown_on_another_machine() {
        for (first, now) in [(None, None), (Some("m"), None), (None, Some("m")), (Some("m"), Some("n"))] {
            assert_eq!(at(1000, 100, first).age(&at(1010, 110, now)), None);
            assert!(!at(1000, 100, first).is_surely_older(Duration::ZERO, &at(1010, 110, now)));
        }
    }

    #[test]
    fn clocks_and_machine_are_known() {
        let clock = Clock::of_machine();
        let first = clock.now();
        assert!(first.time > 1_700_000_000 && first.age(&Clock::of_machine().now()) < Some(Duration::from_secs(60)));
        assert!(!cfg!(target_os = "linux") || first.machine.is_some_and(|machine| machine.len() == 32));
    }

    #[test]
    fn only_missing_files_have_a_default() {
        assert_eq!(missing_as_default::<String>(Err(ErrorKind::NotFound.into())), Some(String::new()));
        assert_eq!(missing_as_default::<String>(Err(ErrorKind::PermissionDenied.into())), None);
        assert_eq!(missing_as_default(Ok("0".to_owned())), Some("0".to_owned()));
    }
}
