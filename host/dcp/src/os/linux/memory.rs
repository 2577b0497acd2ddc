//! Giving back memory that is free, or was only read.

use std::ffi::{CStr, c_int, c_void};

use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

/// `PF_W`.
const WRITABLE: u32 = 2;

/// Gives back memory of the heap that is free.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the heap is the C library's")]
pub(crate) fn give_back() {
    // SAFETY: may be called by any thread at any time; touches only what is free.
    unsafe { libc::malloc_trim(0) };
}

/// Gives back memory of the heap that is free: not done with this C library.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}

/// Unmaps the pages of this program and its libraries that nobody can have changed. They are read
/// again from the file when they are needed: for who will sleep for long, and may never wake.
#[expect(
    unsafe_code,
    reason = "where programs lie in memory is told through a C interface"
)]
pub(super) fn forget_code() {
    // SAFETY: `forget` has the type of such a function, keeps nothing and uses no data.
    unsafe { libc::dl_iterate_phdr(Some(forget), std::ptr::null_mut()) };
}

#[expect(
    unsafe_code,
    reason = "where programs lie in memory is told through a C interface"
)]
unsafe extern "C" fn forget(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut c_void,
) -> c_int {
    // SAFETY: called by `dl_iterate_phdr`, which gives a description that is valid during the call,
    // with as many headers as it says.
    let (info, headers) = unsafe {
        let info = &*info;
        let count = usize::from(info.dlpi_phnum);
        (info, std::slice::from_raw_parts(info.dlpi_phdr, count))
    };
    // SAFETY: a string, or null.
    let is_of_a_file = info.dlpi_name.is_null()
        || !unsafe { CStr::from_ptr(info.dlpi_name) }
            .to_bytes()
            .starts_with(b"linux-");
    if !is_of_a_file {
        return 0;
    }
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & WRITABLE != 0 {
            continue;
        }
        let (Ok(begin), Ok(length)) = (
            usize::try_from(info.dlpi_addr.wrapping_add(header.p_vaddr)),
            usize::try_from(header.p_memsz),
        ) else {
            continue;
        };
        let page = page_size();
        let (begin, end) = (begin.next_multiple_of(page), (begin + length) / page * page);
        let at = std::ptr::with_exposed_provenance_mut(begin);
        // SAFETY: whole pages of a private mapping of a file that nobody could write to (what the
        // loader has to change lies in segments that are writable at first), so that what is read
        // again is what was there. Nothing is unmapped. Should it fail, nothing has happened.
        let _ = unsafe { madvise(at, end.saturating_sub(begin), Advice::LinuxDontNeed) };
    }
    0
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_goes_on() {
        let constant = "a constant in the file".to_owned();
        super::give_back();
        super::forget_code();
        assert_eq!(constant, ["a constant", " in the file"].concat());
    }
}
