//! A chunked body in its plainest form (RFC 9112, section 7.1): no extensions, no
//! trailers, sizes of hexadecimal digits alone. No client of a registry sends more.

/// How far a chunked body has come.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Digits of a size so far, and their value.
    Size {
        digits: u8,
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    LastCr,
    LastLf,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { digits: 0, value: 0 }
    }
}

/// The most digits of a size: a length that fits in 64 bits.
const MOST_DIGITS: u8 = 16;

impl Chunks {
    /// Reads along. Returns how many bytes belong to the body, and whether it ended
    /// or what is wrong with the next byte.
    pub fn read(&mut self, bytes: &[u8]) -> (usize, Result<bool, &'static str>) {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Data { left } = self.state {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                continue;
            }
            let is_last = matches!(self.state, State::LastLf);
            match self.state.after(bytes[at]) {
                Ok(state) => self.state = state,
                Err(cause) => return (at, Err(cause)),
            }
            at += 1;
            if is_last {
                return (at, Ok(true));
            }
        }
        (at, Ok(false))
    }
}

impl State {
    fn after(self, byte: u8) -> Result<Self, &'static str> {
        match (self, byte) {
            (Self::Size { digits, value }, _) if byte.is_ascii_hexdigit() && digits < MOST_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(Self::Size { digits: digits + 1, value: value << 4 | u64::from(digit) })
            }
            (Self::Size { digits, value }, b'\r') if digits > 0 => Ok(Self::SizeLf { value }),
            (Self::SizeLf { value: 0 }, b'\n') => Ok(Self::LastCr),
            (Self::SizeLf { value }, b'\n') => Ok(Self::Data { left: value }),
            (Self::DataCr, b'\r') => Ok(Self::DataLf),
            (Self::DataLf, b'\n') => Ok(Self::default()),
            (Self::LastCr, b'\r') => Ok(Self::LastLf),
            (Self::LastLf, b'\n') => Ok(Self::default()),
            _ => Err("a chunk is malformed"),
        }
    }
}
