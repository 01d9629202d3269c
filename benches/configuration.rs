//! The configurations in which every operation is measured.

use khive_perf::{Config, ConfigError};

use crate::exporter::Attached;

/// How the SDK is compiled and configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configuration {
    /// Without the feature `enabled`.
    StaticOff,
    /// Switched off at run time.
    Off,
    /// On, with every call timed.
    EveryCall,
    /// On, as it comes.
    #[default]
    Default,
    /// On, as it comes, with an exporter that sends once a second to a receiver on this machine.
    Exporter,
}

impl Configuration {
    const ALL: [(Self, &'static str); 5] = [
        (Self::StaticOff, "static-off"),
        (Self::Off, "off"),
        (Self::EveryCall, "every-call"),
        (Self::Default, "default"),
        (Self::Exporter, "exporter"),
    ];

    /// What `--config` takes.
    pub const NAMES: [&'static str; 5] = {
        let mut names = [""; 5];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].1;
            at += 1;
        }
        names
    };

    /// The configuration of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, one)| *one == name)
            .map(|(configuration, _)| configuration)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(one, _)| *one == self)
            .map_or("", |(_, name)| name)
    }

    /// Whether functions are measured at all.
    #[must_use]
    pub fn records(self) -> bool {
        !matches!(self, Self::StaticOff | Self::Off)
    }

    /// Configures this process. What is returned must be kept as long as the configuration is to hold.
    ///
    /// # Errors
    ///
    /// If this program was compiled for another configuration, or the exporter cannot be started.
    pub fn apply(self) -> Result<Option<Attached>, String> {
        if (self == Self::StaticOff) == cfg!(feature = "enabled") {
            return Err(format!(
                "`{}` needs a bench that is compiled {} `--no-default-features`",
                self.name(),
                if self == Self::StaticOff {
                    "with"
                } else {
                    "without"
                }
            ));
        }
        let configure =
            |config| khive_perf::configure(config).map_err(|error: ConfigError| error.to_string());
        match self {
            Self::StaticOff => {}
            Self::Off => configure(Config::default().disable())?,
            Self::EveryCall => configure(Config::default().time_every_call())?,
            Self::Default | Self::Exporter => configure(Config::default())?,
        }
        (self == Self::Exporter).then(Attached::new).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_is_found_by_its_name() {
        for (configuration, name) in Configuration::ALL {
            assert_eq!(Configuration::named(name), Some(configuration));
            assert_eq!(configuration.name(), name);
        }
        assert_eq!(Configuration::named("on"), None);
    }

    #[test]
    fn a_program_compiled_otherwise_says_what_it_needs() {
        let other = if cfg!(feature = "enabled") {
            Configuration::StaticOff
        } else {
            Configuration::Off
        };
        let says = other.apply().map(drop).expect_err("compiled otherwise");
        assert!(says.contains("--no-default-features"), "{says}");
    }
}
