//! The program: everything is in the library, so that tests reach it too.

use std::process::ExitCode;

/// Requests allocate on one thread and free on another; this allocator is made for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stampede::cli::main()
}
