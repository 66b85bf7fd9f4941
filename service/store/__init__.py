"""Every query lives here: frames and ids in, frames and ids out."""
