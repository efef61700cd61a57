"""Ask a host several things at once: a batch is one round trip, however much it asks."""

from hastore.hosts.local import LocalHost
from hastore.hosts.operations import Condition, Expect, ReadFile, Run

batch = (
    Run(("uname", "-r"), reads=True),
    ReadFile("/proc/loadavg"),
    ReadFile("/no/such/file"),
    Expect(ReadFile("/proc/version"), Condition(contains=("Linux",)), because="this is Linux"),
)

for outcome in LocalHost().perform(batch):
    said = outcome.error or outcome.text.strip()
    print(f"{outcome.status.value:8} {str(outcome.operation).splitlines()[0]:40} {said}")
