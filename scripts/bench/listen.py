"""Scrapes."""

import contextlib
import shutil
import socket
import statistics
import subprocess
import threading
import time

from bench.base import BIN, ms, private_dirty_kb, row, wait_until


def listen(bench, count=100, at_once=50):
    home = bench.home()
    home.spawn_many(count, bench.program("idle"))
    command = [str(BIN / "fleet-metrics"), "--listen", str(free_port()), "--interval", "5s"]
    with scraped(command, int(command[2]), home.env) as (port, tool):
        one, many = scrape_seconds(port, 100), scrapes_at_once(port, at_once)
        row(f"a scrape of {count} processes", ms(one), "", round(one * 1000, 2), 2, " ms")
        row(f"{at_once} scrapes at once, each", ms(many / at_once), f"all {ms(many)}")
        row("memory of fleet-metrics --listen, private", f"{private_dirty_kb(tool.pid)} kB")
    for name, words in exporters(bench).items():
        if shutil.which(name) is None:
            continue
        port = free_port()
        with scraped([name, *words, f"127.0.0.1:{port}"], port) as (port, _):
            theirs = scrape_seconds(port, 20)
            row(f"a scrape of {count} processes", ms(one), f"{name} {ms(theirs)}", one / theirs)
    home.tool("fleet-stop", "--all", "--force")


def exporters(bench):
    """Peers, each with its words up to the address that it listens on."""
    config = bench.folder / "process-exporter.yml"
    config.write_text('process_names:\n- name: "{{.Comm}}:{{.PID}}"\n  comm: [idle]\n')
    return {
        "prometheus-process-exporter": ["-config.path", str(config), "-web.listen-address"],
        "prometheus-node-exporter": ["--no-collector.systemd", "--web.listen-address"],
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def scraped(command, port, env=None):
    """Runs an exporter until its port answers with metrics, and ends it afterwards."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet) as tool:
        try:
            wait_until(lambda: answers(port))
            yield port, tool
        finally:
            tool.terminate()


def answers(port):
    try:
        return b" 200 " in scrape(port)[:20]
    except OSError:
        return False


def scrape(port):
    """A scrape as Prometheus makes it: a connection, a request, the answer to its end."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(f"GET /metrics HTTP/1.0\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
        parts = []
        while part := peer.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def scrape_seconds(port, times):
    seconds = []
    for _ in range(times):
        begin = time.monotonic()
        scrape(port)
        seconds.append(time.monotonic() - begin)
        time.sleep(0.01)
    return statistics.median(seconds)


def scrapes_at_once(port, count):
    """From the first of so many scrapes to the end of the last; each must succeed."""
    bodies, gate = [], threading.Barrier(count + 1)

    def one():
        gate.wait()
        bodies.append(scrape(port))

    scrapers = [threading.Thread(target=one) for _ in range(count)]
    for scraper in scrapers:
        scraper.start()
    gate.wait()
    begin = time.monotonic()
    for scraper in scrapers:
        scraper.join()
    if len(bodies) != count or not all(b" 200 " in body[:20] for body in bodies):
        raise RuntimeError("a scrape failed")
    return time.monotonic() - begin
