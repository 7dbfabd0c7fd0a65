//! Symbols of the running executable: V8's internal functions by mangled name, and its post-mortem constants.
//!
//! Node 24 and later have the functions as local symbols, so `dlsym` does not see them; `.symtab` does. A stripped
//! binary has only `.dynsym`, which is read too.

use crate::refusal::Refusal;
use object::elf::{STT_FUNC, STT_OBJECT};
use object::read::elf::{ElfFile64, FileHeader, Sym};
use object::{Endianness, Object, ObjectSegment, SymbolIndex};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// What V8's constants are called.
const CONSTANT: &[u8] = b"v8dbg_";

/// Functions by their wanted name, and all constants.
#[derive(Debug)]
pub(crate) struct Executable {
    functions: HashMap<&'static str, u64>,
    constants: HashMap<String, i32>,
}

impl Executable {
    /// Reads the running executable for the functions named. 10 to 60 ms: not on the app thread.
    pub(crate) fn read(wanted: &[&'static str]) -> Result<Self, Refusal> {
        let file = File::open("/proc/self/exe").map_err(Refusal::Executable)?;
        let mapping = Mapping::new(&file).map_err(Refusal::Executable)?;
        // SAFETY: asks the kernel's auxiliary vector of this process; no memory is touched.
        let entry = unsafe { libc::getauxval(libc::AT_ENTRY) };
        Self::parse(mapping.bytes(), entry, wanted)
    }

    fn parse(data: &[u8], entry: u64, wanted: &[&'static str]) -> Result<Self, Refusal> {
        let format = |error: object::Error| Refusal::Format(error.to_string());
        let elf = ElfFile64::<Endianness>::parse(data).map_err(format)?;
        let bias = entry.wrapping_sub(elf.entry());
        let endian = elf.endian();
        let header = elf.elf_header();
        let sections = header.sections(endian, data).map_err(format)?;
        let mut read = Self { functions: HashMap::new(), constants: HashMap::new() };
        for kind in [object::elf::SHT_SYMTAB, object::elf::SHT_DYNSYM] {
            let symbols = sections.symbols(endian, data, kind).map_err(format)?;
            for index in 0..symbols.len() {
                let Ok(symbol) = symbols.symbol(SymbolIndex(index)) else { continue };
                let Ok(name) = symbol.name(endian, symbols.strings()) else { continue };
                let address = symbol.st_value(endian);
                match symbol.st_type() {
                    STT_OBJECT if name.starts_with(CONSTANT) && symbol.st_size(endian) == 4 => {
                        let name = name.get(CONSTANT.len()..).unwrap_or(&[]);
                        if let (Ok(name), Some(value)) = (std::str::from_utf8(name), word(&elf, address)) {
                            read.constants.insert(name.to_owned(), value);
                        }
                    }
                    STT_FUNC if name.starts_with(b"_ZN") => {
                        if let Some(wanted) = wanted.iter().find(|wanted| wanted.as_bytes() == name) {
                            read.functions.insert(wanted, bias.wrapping_add(address));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(read)
    }

    /// Address of the first of `names` that is there.
    pub(crate) fn function(&self, names: &[&str]) -> Result<u64, Refusal> {
        names
            .iter()
            .find_map(|name| self.functions.get(name).copied())
            .ok_or_else(|| Refusal::Symbol(names.last().copied().unwrap_or_default().to_owned()))
    }

    /// A constant by its whole name.
    pub(crate) fn constant(&self, name: &str) -> Result<i32, Refusal> {
        self.constants.get(name).copied().ok_or_else(|| Refusal::Symbol(format!("v8dbg_{name}")))
    }

    /// Where a field lies in its object, bytes. The names of fields' types differ between versions, so they are not asked.
    pub(crate) fn field(&self, class: &str, name: &str) -> Result<u64, Refusal> {
        let prefix = format!("class_{class}__{name}__");
        self.constants
            .iter()
            .find(|(constant, _)| constant.starts_with(&prefix))
            .and_then(|(_, offset)| u64::try_from(*offset).ok())
            .ok_or_else(|| Refusal::Symbol(format!("v8dbg_{prefix}*")))
    }

    /// Instance types with the names of their classes.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, u16)> {
        self.constants.iter().filter_map(|(name, value)| {
            let class = name.strip_prefix("type_")?.split("__").next()?;
            Some((class, u16::try_from(*value).ok()?))
        })
    }
}

/// Four bytes of what the executable's segments put at `address`.
fn word(elf: &ElfFile64<'_, Endianness>, address: u64) -> Option<i32> {
    let bytes = elf.segments().find_map(|segment| segment.data_range(address, 4).ok().flatten())?;
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

/// A file mapped for reading.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(file: &File) -> std::io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(std::io::Error::other)?;
        // SAFETY: a new private mapping of a whole file, at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(std::io::Error::last_os_error)?;
        Ok(Self { start, length })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `new` mapped so many bytes there, and `drop` unmaps them. The kernel lets nobody write to a running
        // executable's file.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; no slice of it outlives this value.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_without_v8_has_none_of_it() {
        let executable = Executable::read(&["_ZN2v87Isolate10GetCurrentEv"]).unwrap();
        let missing = executable.function(&["_ZN2v87Isolate10GetCurrentEv"]).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the running executable has no symbol _ZN2v87Isolate10GetCurrentEv: stripped, or another V8"
        );
        assert!(executable.constant("TaggedSize").is_err());
        assert_eq!(executable.types().count(), 0);
    }

    #[test]
    fn what_is_no_executable_is_refused() {
        for data in [&b""[..], b"\x7fELF", &[0; 200]] {
            assert!(matches!(Executable::parse(data, 0, &[]), Err(Refusal::Format(_))));
        }
    }

    #[test]
    fn fields_are_found_whatever_their_type_is_called() {
        let constants =
            [("class_JSFunction__shared__SharedFunctionInfo", 32), ("type_JSMap__JS_MAP_TYPE", 2108)];
        let constants = constants.map(|(name, value)| (name.to_owned(), value)).into();
        let executable = Executable { functions: HashMap::new(), constants };
        assert_eq!(executable.field("JSFunction", "shared").unwrap(), 32);
        assert!(executable.field("JSFunction", "code").is_err());
        assert_eq!(executable.types().collect::<Vec<_>>(), [("JSMap", 2108)]);
    }
}
