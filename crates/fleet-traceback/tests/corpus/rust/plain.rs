fn half(n: u32) -> u32 {
    let text = format!("{n}x");
    text.parse::<u32>().unwrap() / 2
}

fn main() {
    println!("begin");
    let seed: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    println!("{}", half(seed));
}
