fn main() {
    let seed: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let many = vec![1, 2];
    let worker = std::thread::Builder::new().name("worker".to_owned());
    let handle = worker.spawn(move || many[seed]).unwrap();
    let _ = handle.join();
    let _ = std::thread::spawn(move || assert_eq!(seed, 1, "seeds differ\nin two lines")).join();
    println!("the main thread goes on");
}
