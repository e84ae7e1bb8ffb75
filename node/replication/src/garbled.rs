//! Bytes that went wrong, for what decodes them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// How long one decoder is tried.
const SPAN: Duration = Duration::from_millis(500);
const EDITS_MAX: u32 = 4;
/// Numbers that lengths and counts do not bear well.
const EXTREMES: [u32; 6] = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX];

/// Gives `decode` the samples with a few mistakes in each, new ones in every run; what was drawn is told with a failure.
pub fn each(samples: &[Vec<u8>], mut decode: impl FnMut(Vec<u8>)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(now.subsec_nanos());
    println!("garbled with seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let began = Instant::now();
    let mut tried = 0_u64;
    while began.elapsed() < SPAN {
        let mut bytes = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(1..=EDITS_MAX) {
            edit(&mut bytes, &mut random);
        }
        decode(bytes);
        tried += 1;
    }
    println!("{tried} tried");
    assert!(tried > 100, "only {tried} in {SPAN:?}");
}

fn edit(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    let at = random.random_range(0..=bytes.len());
    let until = random.random_range(at..=bytes.len().min(at + 32));
    match random.random_range(0..6) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..until)),
        2 => bytes.extend_from_within(at..until),
        3 => bytes.insert(at, random.random()),
        4 => {
            let extreme = EXTREMES[random.random_range(0..EXTREMES.len())].to_be_bytes();
            for (byte, new) in bytes.iter_mut().skip(at).zip(extreme) {
                *byte = new;
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
    }
}
