// SPDX-License-Identifier: MIT OR Apache-2.0

//! Cuts messages into packets, and puts packets together again. A process that was killed
//! in the middle of a message leaves the rest out; the next message is whole again.

/// The longest packet, in bytes: below the default size of a socket's buffer, 208 KiB
/// (`net.core.wmem_default`).
pub const LONGEST_PACKET: usize = 64 << 10;
/// The longest message, in bytes.
pub const LONGEST_MESSAGE: usize = 8 << 20;
/// Number of the message, number of the packet in it, number of its packets; all
/// little-endian.
const HEADER: usize = 8;
const PAYLOAD: usize = LONGEST_PACKET - HEADER;

/// Why no packets can be made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes is longer than {LONGEST_MESSAGE}")]
pub struct TooLong {
    /// Its length in bytes.
    pub length: usize,
}

/// Cuts the message with this number into packets.
///
/// # Errors
/// [`TooLong`].
pub fn packets(number: u32, message: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
    if message.len() > LONGEST_MESSAGE {
        return Err(TooLong {
            length: message.len(),
        });
    }
    let parts: Vec<&[u8]> = if message.is_empty() {
        vec![message]
    } else {
        message.chunks(PAYLOAD).collect()
    };
    // At most LONGEST_MESSAGE / PAYLOAD + 1 = 129.
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let packet = |(part, index): (&[u8], u16)| {
        let mut packet = Vec::with_capacity(HEADER + part.len());
        packet.extend_from_slice(&number.to_le_bytes());
        packet.extend_from_slice(&index.to_le_bytes());
        packet.extend_from_slice(&count.to_le_bytes());
        packet.extend_from_slice(part);
        packet
    };
    Ok(parts.into_iter().zip(0..count).map(packet).collect())
}

/// Puts messages together again. At most one is incomplete at any time.
#[derive(Debug, Default)]
pub struct Assembler {
    message: Vec<u8>,
    /// The number of the incomplete message, and which packet of it comes next.
    next: Option<(u32, u16)>,
    /// Packets that did not continue anything, and messages that were not completed.
    dropped: u64,
}

impl Assembler {
    /// Takes a packet. Returns the message that it completes, if any.
    pub fn take(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let Some((number, index, count, part)) = parse(packet) else {
            self.dropped += 1;
            return None;
        };
        if index == 0 {
            self.dropped += u64::from(self.next.is_some());
            self.message.clear();
        } else if self.next != Some((number, index)) {
            self.dropped += 1;
            self.next = None;
            return None;
        }
        self.message.extend_from_slice(part);
        self.next = (index + 1 < count).then_some((number, index + 1));
        if self.next.is_some() && self.message.len() <= LONGEST_MESSAGE {
            return None;
        }
        let is_whole = self.next.take().is_none();
        let message = std::mem::take(&mut self.message);
        self.dropped += u64::from(!is_whole);
        is_whole.then_some(message)
    }

    /// Returns how many packets and incomplete messages were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Returns number, index, count and payload of a packet; `None` if it is malformed.
fn parse(packet: &[u8]) -> Option<(u32, u16, u16, &[u8])> {
    let (number, rest) = packet.split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (count, part) = rest.split_first_chunk()?;
    let (index, count) = (u16::from_le_bytes(*index), u16::from_le_bytes(*count));
    (index < count).then_some((u32::from_le_bytes(*number), index, count, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(assembler: &mut Assembler, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let taken = packets.iter().filter_map(|it| assembler.take(it));
        taken.collect()
    }

    #[test]
    fn messages_of_every_length_come_out_as_they_went_in() {
        let mut assembler = Assembler::default();
        for length in [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 3 * PAYLOAD + 5] {
            let message: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let packets = packets(7, &message).expect("short enough");
            assert!(packets.iter().all(|it| it.len() <= LONGEST_PACKET));
            assert_eq!(taken(&mut assembler, &packets), [message], "{length}");
        }
        assert_eq!(assembler.dropped(), 0);
    }

    #[test]
    fn a_message_that_is_too_long_is_refused() {
        let length = LONGEST_MESSAGE + 1;
        assert_eq!(packets(1, &vec![0; length]), Err(TooLong { length }));
        assert!(packets(1, &vec![0; LONGEST_MESSAGE]).is_ok());
    }

    #[test]
    fn what_a_killed_process_leaves_out_costs_one_message() {
        let long = vec![1; 2 * PAYLOAD];
        let cut = packets(1, &long).expect("short enough");
        let next = packets(1, b"next").expect("short enough");
        // The sender was killed after its first packet.
        let mut assembler = Assembler::default();
        assert!(taken(&mut assembler, &cut[..1]).is_empty());
        assert_eq!(taken(&mut assembler, &next), [b"next"]);
        assert_eq!(assembler.dropped(), 1);
        // The receiver was, and only sees the second.
        let mut assembler = Assembler::default();
        assert!(taken(&mut assembler, &cut[1..]).is_empty());
        assert_eq!(taken(&mut assembler, &next), [b"next"]);
        assert_eq!(assembler.dropped(), 1);
    }

    #[test]
    fn malformed_packets_are_dropped_and_an_endless_message_is_bounded() {
        let mut assembler = Assembler::default();
        for packet in [&b""[..], b"1234567", &[0, 0, 0, 0, 1, 0, 1, 0, 9]] {
            assert_eq!(assembler.take(packet), None, "{packet:?}");
        }
        assert_eq!(assembler.dropped(), 3);
        let endless = |index: u16| {
            let mut packet = vec![9, 0, 0, 0];
            packet.extend(index.to_le_bytes());
            packet.extend(u16::MAX.to_le_bytes());
            packet.resize(LONGEST_PACKET, 0);
            packet
        };
        for index in 0..400 {
            assert_eq!(assembler.take(&endless(index)), None);
            assert!(assembler.message.capacity() <= 4 * LONGEST_MESSAGE);
        }
    }
}
