"""distributed_jobs_test.py PROGRAM: the scheduler over three network namespaces, as three hosts. One worker's host is cut off
while it has a job in its hands; another worker's process is killed. Every job is done, and counts once.

Needs the right to make namespaces (root, or unprivileged user namespaces) and iproute2's `ip`; otherwise it is skipped, status 77.
"""

import os
import re
import shutil
import signal
import subprocess
import sys

JOBS = 500
INSIDE = "IPC_TEST_HAS_A_NETWORK_OF_ITS_OWN"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def enter():
    """Again, in namespaces of its own: all that is made there goes with the last process."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        skip("`ip` (iproute2) or `unshare` (util-linux) is not installed.")
    unshare = ["unshare", "--net", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    attempt = subprocess.run(unshare + ["true"], stderr=subprocess.PIPE, text=True)
    if attempt.returncode != 0:
        skip("this user may not make network namespaces here: " + attempt.stderr.strip())
    os.execvpe("unshare", unshare + [sys.executable] + sys.argv, dict(os.environ, **{INSIDE: "1"}))


def ip(*words):
    done = subprocess.run(["ip", *words], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        skip("`ip %s` failed: %s" % (" ".join(words), done.stderr.strip()))


class Host:
    """A namespace with a cable to this one."""

    def __init__(self, number):
        self.name = "worker%d" % number
        self.server_address = "10.91.%d.1" % number
        ip("netns", "add", self.name)
        ip("link", "add", "cable%d" % number, "type", "veth", "peer", "name", "network", "netns", self.name)
        ip("address", "add", self.server_address + "/24", "dev", "cable%d" % number)
        ip("link", "set", "cable%d" % number, "up")
        ip("-netns", self.name, "address", "add", "10.91.%d.2/24" % number, "dev", "network")
        ip("-netns", self.name, "link", "set", "network", "up")

    def start(self, program, port, *more):
        command = [program, "work", "tcp://%s:%s" % (self.server_address, port), "secret", *more]
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], stdout=subprocess.PIPE, text=True)

    def cut_off(self):
        """Nobody is told: what is sent gets lost."""
        ip("-netns", self.name, "link", "set", "network", "down")


def main():
    program = sys.argv[1]
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    far, near = Host(1), Host(2)
    processes = []
    try:
        server = subprocess.Popen([program, "serve", "tcp://0.0.0.0:0", "secret", str(JOBS)], stdout=subprocess.PIPE, text=True)
        processes.append(server)
        port = re.fullmatch(r"tcp://0\.0\.0\.0:(\d+)", server.stdout.readline().strip()).group(1)
        holder, victim = far.start(program, port, "3600"), near.start(program, port, "3600")
        processes += [holder, victim]
        taken = [process.stdout.readline().strip() for process in (holder, victim)]
        assert sorted(taken) == ["takes job 0", "takes job 1"], taken
        far.cut_off()
        victim.send_signal(signal.SIGKILL)
        worker = near.start(program, port)
        processes.append(worker)
        rest, _ = server.communicate()
        expected = sum(job * job for job in range(JOBS))
        assert rest.strip() == "sum: %d" % expected, (rest, expected)
        assert server.returncode == 0, server.returncode
        assert worker.wait() == 0, worker.returncode
        assert holder.poll() is None, "the one that is cut off has ended: it cannot know"
        print("%d jobs done over three hosts; one host was cut off and one worker killed, each with a job in its hands." % JOBS)
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main() if os.environ.get(INSIDE) else enter()
