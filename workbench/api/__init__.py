"""What ``import workbench as wb`` offers (``workbench.__all__``). Nothing heavy is loaded before it is used."""

from workbench.api.profile import Profile as Profile
from workbench.api.profile import profile as profile
from workbench.api.run import Run as Run
from workbench.api.run import check as check
from workbench.api.run import load as load
from workbench.api.run import run as run
from workbench.errors import InputError as InputError
from workbench.errors import RunError as RunError
