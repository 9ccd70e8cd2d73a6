import java.io.IOException;

public class Throws {
    static class Resource implements AutoCloseable {
        final String seed;

        Resource(String seed) {
            this.seed = seed;
        }

        @Override
        public void close() throws IOException {
            throw new IOException("cannot close " + seed);
        }
    }

    static class Refused extends RuntimeException {}

    static int parse(String seed) {
        return Integer.parseInt("x" + seed);
    }

    static void wrapped(String seed) {
        try {
            parse(seed);
        } catch (NumberFormatException e) {
            throw new IllegalStateException("job " + seed + " is bad", e);
        }
    }

    static void suppressed(String seed) throws IOException {
        try (Resource resource = new Resource(seed)) {
            wrapped(seed);
        }
    }

    static int deeper(int n) {
        return deeper(n + 1) + 1;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("begin");
        String seed = args[1];
        switch (args[0]) {
            case "plain" -> parse(seed);
            case "caused" -> wrapped(seed);
            case "suppressed" -> suppressed(seed);
            case "lines" -> throw new IllegalArgumentException("first line of " + seed + "\nsecond line\n\nfourth line");
            case "bare" -> throw new Refused();
            case "overflow" -> deeper(0);
            case "thread" -> {
                Thread thread = new Thread(() -> parse(seed), "pool-" + seed + "-thread-1");
                thread.start();
                thread.join();
                System.err.println("the main thread goes on");
            }
            case "logged" -> {
                java.util.logging.Logger logger = java.util.logging.Logger.getLogger("jobs");
                try {
                    wrapped(seed);
                } catch (IllegalStateException e) {
                    logger.log(java.util.logging.Level.SEVERE, "gave up", e);
                }
                logger.info("goes on");
            }
            default -> throw new Error("no such case");
        }
    }
}
