//! The command line of the simulation.

fn main() {
    let arg = |n: usize| std::env::args().nth(n);
    let seed: u64 = arg(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let count: u64 = arg(2).and_then(|s| s.parse().ok()).unwrap_or(1);
    let planted = arg(3).and_then(|n| deaddrop_simulation::Planted::by_name(&n));
    let (mut ev, mut giv) = (0, 0);
    for seed in seed..seed + count {
        let out = deaddrop_simulation::run(seed, planted, count == 1);
        for line in &out.lines {
            println!("{line}");
        }
        ev += out.events;
        giv += out.given;
        if out.breach.is_some() || count == 1 {
            println!("{seed} {:?} {} events {} given {} ms", out.breach, out.events, out.given, out.ms);
            if planted.is_some() && count > 1 {
                break;
            }
        }
    }
    println!("{ev} events {giv} given");
}
