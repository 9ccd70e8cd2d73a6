struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        panic!("the guard, too");
    }
}

fn main() {
    let _guard = Guard;
    panic!("first of {}", std::env::args().nth(1).unwrap());
}
