//! A directory of results.
//!
//! Owns: making it, and replacing a file in it as a whole.
//! Never does: decide what a file says.

use crate::output::{Exit, FAILED};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A directory that is there.
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// This directory, made if there is none.
    pub fn make(dir: &Path) -> Result<Folder, Exit> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        Ok(Folder { dir: dir.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Replaces a file by these lines.
    pub fn replace(&self, name: &str, mut lines: impl Iterator<Item = String>) -> Result<(), Exit> {
        self.replace_with(name, |file| lines.try_for_each(|line| writeln!(file, "{line}")))
    }

    /// Written beside it and renamed: a reader sees the old file or the new one.
    pub fn replace_with(&self, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Exit> {
        let (path, fresh) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let written = File::create(&fresh).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        });
        written.and_then(|()| fs::rename(&fresh, &path)).map_err(|error| failed(&path, &error))
    }

    /// Takes a file away that an earlier run left, if there is one.
    pub fn remove(&self, name: &str) -> Result<(), Exit> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }
}

/// What is said of a file that could not be written.
pub fn failed(path: &Path, error: &io::Error) -> Exit {
    Exit::new(FAILED, format!("{}: {error}", path.display()))
}
