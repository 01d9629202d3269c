//! Resources: what the operating system has counted of this process.
//!
//! ```
//! use khive_perf::process::Resources;
//!
//! let resources = Resources::now();
//! if let (Some(cpu), Some(memory)) = (resources.cpu(), resources.memory()) {
//!     println!("{:?} of processor time, {} bytes in memory", cpu.user + cpu.system, memory.resident);
//! }
//! ```

mod usage;

use std::fs;
use std::time::Duration;

/// What the operating system has counted of this process, at one moment. `None` is what it does not tell: so all is
/// elsewhere than on Linux.
///
/// # Overhead
///
/// Reading it takes some tens of microseconds, and one more for every few open files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    cpu: Option<Cpu>,
    memory: Option<Memory>,
    disk: Option<Disk>,
    network: Option<Network>,
    faults: Option<Faults>,
    switches: Option<Switches>,
    file_descriptors: Option<u64>,
    threads: Option<u64>,
    uptime: Option<Duration>,
}

/// Processor time of all threads, those that have ended included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cpu {
    /// In the process's own code.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// In physical memory.
    pub resident: u64,
    /// The most that was, since the process started.
    pub resident_peak: u64,
    /// Address space.
    pub virtual_size: u64,
}

/// Bytes that went from and to storage; what a cache served is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disk {
    /// Read.
    pub read: u64,
    /// Written, or to be.
    pub written: u64,
}

/// Bytes that went through the network's interfaces, loopback excepted. The kernel counts them for the network namespace,
/// which is the process's own in a container of its own, and the machine's where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// Page faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// Those that waited for storage.
    pub major: u64,
    /// Those that did not.
    pub minor: u64,
}

/// Switches from a thread that runs now to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switches {
    /// Because it waited for something.
    pub voluntary: u64,
    /// Because its time was over.
    pub involuntary: u64,
}

/// Ticks of `/proc/PID/stat` in a second: what Linux shows to programs, whatever it counts in.
const TICKS_PER_SECOND: u64 = 100;

impl Resources {
    /// What is counted now.
    #[must_use]
    pub fn now() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let (stat, status) = (read("stat"), read("status"));
        let stat = stat.as_deref().and_then(Stat::of);
        let usage = usage::of_process();
        let uptime = fs::read_to_string("/proc/uptime").ok();
        let uptime = uptime.as_deref().and_then(seconds);
        Self {
            cpu: usage.map(|usage| Cpu {
                user: usage.user,
                system: usage.system,
            }),
            memory: status.as_deref().and_then(memory),
            disk: read("io").as_deref().and_then(disk),
            network: read("net/dev").as_deref().map(network),
            faults: usage.map(|usage| Faults {
                major: usage.major_faults,
                minor: usage.minor_faults,
            }),
            switches: usage.map(|usage| Switches {
                voluntary: usage.voluntary_switches,
                involuntary: usage.involuntary_switches,
            }),
            file_descriptors: entries("/proc/self/fd"),
            threads: stat.as_ref().and_then(|stat| stat.field(20)),
            uptime: uptime
                .zip(stat.as_ref().and_then(Stat::started))
                .map(|(now, started)| now.saturating_sub(started)),
        }
    }

    /// Processor time.
    #[must_use]
    pub fn cpu(&self) -> Option<Cpu> {
        self.cpu
    }

    /// Memory.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.memory
    }

    /// Bytes from and to storage.
    #[must_use]
    pub fn disk(&self) -> Option<Disk> {
        self.disk
    }

    /// Bytes through the network, of all processes in its namespace.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.network
    }

    /// Page faults.
    #[must_use]
    pub fn faults(&self) -> Option<Faults> {
        self.faults
    }

    /// Context switches of all threads, those that have ended included.
    #[must_use]
    pub fn switches(&self) -> Option<Switches> {
        self.switches
    }

    /// Open files, sockets and what else has a descriptor.
    #[must_use]
    pub fn file_descriptors(&self) -> Option<u64> {
        self.file_descriptors
    }

    /// Threads.
    #[must_use]
    pub fn threads(&self) -> Option<u64> {
        self.threads
    }

    /// Time since the process started.
    #[must_use]
    pub fn uptime(&self) -> Option<Duration> {
        self.uptime
    }
}

/// The fields of `/proc/PID/stat` behind the name, which may contain anything.
struct Stat<'a>(Vec<&'a str>);

impl<'a> Stat<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        Some(Self(fields.split_whitespace().collect()))
    }

    /// A field by its number in the manual, proc(5); the name is the second.
    fn field(&self, number: usize) -> Option<u64> {
        self.0.get(number.checked_sub(3)?)?.parse().ok()
    }

    /// Since the machine started.
    fn started(&self) -> Option<Duration> {
        self.field(22).map(ticks)
    }
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1_000 / TICKS_PER_SECOND))
}

/// The first number of a text, in seconds.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The number behind a word at the beginning of a line.
fn value(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

fn memory(status: &str) -> Option<Memory> {
    let kib = |word| Some(value(status, word)?.saturating_mul(1_024));
    Some(Memory {
        resident: kib("VmRSS:")?,
        resident_peak: kib("VmHWM:")?,
        virtual_size: kib("VmSize:")?,
    })
}

fn disk(io: &str) -> Option<Disk> {
    Some(Disk {
        read: value(io, "read_bytes:")?,
        written: value(io, "write_bytes:")?,
    })
}

fn network(interfaces: &str) -> Network {
    let mut sum = Network {
        received: 0,
        sent: 0,
    };
    for line in interfaces.lines() {
        let Some((name, counts)) = line.split_once(':') else {
            continue;
        };
        let mut counts = counts.split_whitespace().map(str::parse);
        let (received, sent) = (counts.next(), counts.nth(7));
        if let (Some(Ok(received)), Some(Ok(sent)), true) = (received, sent, name.trim() != "lo") {
            sum.received = sum.received.saturating_add(received);
            sum.sent = sum.sent.saturating_add(sent);
        }
    }
    sum
}

/// Number of entries of a directory, less the one that it is read by.
fn entries(directory: &str) -> Option<u64> {
    let entries = fs::read_dir(directory).ok()?.count() as u64;
    Some(entries.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name_whatever_it_is() {
        let text = "7 (a) b) 3) S 1 7 7 0 -1 4194560 11 0 12 0 250 31 0 0 20 0 5 0 6000 99 8";
        let stat = Stat::of(text).unwrap();
        assert_eq!(stat.field(20), Some(5));
        assert_eq!(stat.started(), Some(Duration::from_secs(60)));
        assert!(Stat::of("7 (a").is_none());
    }

    #[test]
    fn bytes_are_those_of_all_interfaces_but_loopback() {
        let text = "Inter-|   Receive\n face |bytes    packets\n\
                        lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n\
                      eth0: 7000 9 0 0 0 0 0 0 800 4 0 0 0 0 0 0\n\
                      eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";
        let sum = network(text);
        assert_eq!((sum.received, sum.sent), (7_001, 802));
    }

    #[test]
    fn what_is_not_told_is_not_guessed() {
        assert_eq!(memory("VmRSS:\t  10 kB\n"), None);
        assert_eq!(disk("rchar: 5\n"), None);
        assert_eq!(disk("read_bytes: 5\nwrite_bytes: 6\n").unwrap().written, 6);
        assert_eq!(seconds("-1 0"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known() {
        let before = Resources::now();
        let file = fs::File::open("/proc/self/stat").unwrap();
        let worked: u64 = std::hint::black_box((0..50_000_000_u64).map(std::hint::black_box).sum());
        let after = Resources::now();
        drop((file, worked));
        let cpu = |resources: &Resources| resources.cpu().map(|cpu| cpu.user + cpu.system).unwrap();
        assert!(cpu(&after) > cpu(&before));
        assert!(after.switches().is_some());
        let memory = after.memory().unwrap();
        assert!(memory.resident > 0 && memory.resident <= memory.resident_peak);
        assert!(memory.virtual_size >= memory.resident);
        assert!(after.threads().unwrap() >= 1 && after.file_descriptors().unwrap() >= 1);
        assert!(after.uptime() >= before.uptime() && after.uptime().is_some());
        assert!(after.faults().unwrap().minor > 0);
    }
}
