//! The command line of the simulation.

fn main() {
    let seed: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let out = deaddrop_simulation::run(seed, None, true);
    for line in &out.lines {
        println!("{line}");
    }
    println!("{:?} {} events {} given {} ms", out.breach, out.events, out.given, out.ms);
}
