"""Floor 3: hosts that behave, a simulated world behind the same door.

::

    from hastore.sim import article

    lab = article()
    lab.hosts["centos01"].perform([...])
    lab.clock.sleep(30)
    lab.world.violations
"""

from hastore.sim.article_lab import article
from hastore.sim.faults import Faults, Killed
from hastore.sim.host import SimHost
from hastore.sim.lab import Lab
from hastore.sim.world import Event, Violation, World

__all__ = ["Event", "Faults", "Killed", "Lab", "SimHost", "Violation", "World", "article"]
