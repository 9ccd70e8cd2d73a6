#include <cassert>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

static int *left;
static int shared;

__attribute__((noinline)) static int read_after_free(int seed) {
    int *numbers = new int[8];
    numbers[seed % 8] = seed;
    delete[] numbers;
    return numbers[seed % 8];
}

__attribute__((noinline)) static void leak(int seed) {
    left = new int[seed + 10];
    left = nullptr;
}

__attribute__((noinline)) static void race() {
    for (int n = 0; n < 1000; n++) shared++;
}

__attribute__((noinline)) static void smash(int length) {
    char buffer[8];
    volatile char *to = buffer;
    for (int n = 0; n < length; n++) to[n] = 'x';
}

int main(int count, char **arguments) {
    std::string what = arguments[1];
    int seed = std::atoi(arguments[2]);
    std::cerr << "begin" << std::endl;
    if (what == "throw") throw std::runtime_error("no device " + std::to_string(seed) + "\nsecond line");
    if (what == "throw-int") throw seed;
    if (what == "thread") std::thread([] {});
    if (what == "assert") assert(seed == 0 && "seed is none");
    if (what == "free") std::free(reinterpret_cast<char *>(&seed) + 1);
    if (what == "twice") {
        // Too big for the thread cache, and not at the top of the heap.
        char *twice = static_cast<char *>(std::malloc(5000));
        char *after = static_cast<char *>(std::malloc(5000));
        std::free(twice);
        std::free(twice);
        std::free(after);
    }
    if (what == "smash") smash(64 + seed);
    if (what == "segv") *reinterpret_cast<volatile int *>(static_cast<long>(seed)) = 1;
    if (what == "use") return read_after_free(seed);
    if (what == "leak") leak(seed);
    if (what == "race") {
        std::thread one(race), two(race);
        one.join();
        two.join();
    }
    if (what == "overflow") {
        int most = 2147483647;
        most += seed;
        std::cerr << "goes on " << (most > 0) << std::endl;
    }
    return 0;
}
