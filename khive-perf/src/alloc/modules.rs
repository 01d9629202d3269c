//! Modules: the program and the libraries that are loaded, so that others can tell what was at an address.

/// A program or a library in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeapModule {
    /// Its code lies from here,
    pub(super) start: u64,
    /// to here,
    pub(super) end: u64,
    /// and from there on in its file.
    pub(super) offset: u64,
    pub(super) file: String,
}

/// Those of this process, by address; none where the system does not tell.
pub(super) fn loaded() -> Vec<HeapModule> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(module).collect()
}

/// A line of `/proc/self/maps`, if it is code out of a file.
fn module(line: &str) -> Option<HeapModule> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()?.contains('x');
    let offset = fields.next()?;
    // Device and inode.
    let file = fields.nth(2)?.trim_start();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    (is_code && file.starts_with('/')).then_some(HeapModule {
        start: number(start)?,
        end: number(end)?,
        offset: number(offset)?,
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_out_of_files_is_told_from_all_else() {
        let line = "55d0c0a00000-55d0c0b00000 r-xp 0001f000 fe:01 1234  /opt/a b/server";
        let expected = HeapModule {
            start: 0x55d0_c0a0_0000,
            end: 0x55d0_c0b0_0000,
            offset: 0x1_f000,
            file: "/opt/a b/server".to_owned(),
        };
        assert_eq!(module(line), Some(expected));
        for other in [
            "55d0c0a00000-55d0c0b00000 rw-p 0001f000 fe:01 1234  /opt/server",
            "7ffd0a9f2000-7ffd0a9f4000 r-xp 00000000 00:00 0  [vdso]",
            "7ffd0a9f2000-7ffd0a9f4000 rwxp 00000000 00:00 0 ",
            "",
        ] {
            assert_eq!(module(other), None, "{other}");
        }
    }
}
