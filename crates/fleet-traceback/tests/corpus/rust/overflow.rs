#[allow(unconditional_recursion)]
fn down(n: u64) -> u64 {
    let data = [n; 512];
    down(n + 1) + data[(n % 512) as usize]
}

fn main() {
    println!("{}", down(1));
}
