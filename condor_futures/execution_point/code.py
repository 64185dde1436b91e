"""The client's modules, which came in the job's executable: unpacked when the first of them is imported."""

import os
import sys

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Iterable

MEMBER = "code"
"""The file in the executable that has the modules: a compressed ``marshal`` of ``{name: (contents, executable)}``."""
ZIP_FILES = ".zip_files"
"""The directory of the zip files that modules were imported from."""


class Finder:
    """Unpacks all modules when one of them is imported, and lets Python find it.

    Attributes:
        names: the modules and packages at the top level.

    """

    def __init__(self) -> None:
        self.names = frozenset()  # type: frozenset[str]
        self.directory = ""
        self._there = False

    def use(self, names: "Iterable[str] | None") -> None:
        """Let the calls, and Python processes that they start, import the modules *names*."""
        if names is not None:
            self.names = frozenset(names)
            scratch = os.environ.get("_CONDOR_SCRATCH_DIR") or os.getcwd()
            self.directory = os.path.join(os.path.abspath(scratch), ".condor_futures_code")
            before = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = self.directory + (os.pathsep + before if before else "")
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: object = None, _target: object = None) -> None:
        if path is None and name in self.names:
            self.unpack()

    def unpack(self) -> None:
        """Unpack the modules, unless that has been done."""
        if not self._there:
            self._there = True
            if not os.path.isdir(self.directory):
                self._unpack()
            places = [self.directory]
            zip_files = os.path.join(self.directory, ZIP_FILES)
            if os.path.isdir(zip_files):
                places += [os.path.join(zip_files, one) for one in sorted(os.listdir(zip_files))]
            sys.path[1:1] = places

    def _unpack(self) -> None:
        import marshal
        import zlib

        loader = __loader__  # type: ignore[name-defined]
        contents = marshal.loads(zlib.decompress(loader.get_data(os.path.join(loader.archive, MEMBER))))  # noqa: S302
        temporary = "%s.%d" % (self.directory, os.getpid())
        made = set()
        for name, (content, executable) in contents.items():
            path = os.path.join(temporary, name)
            parent = os.path.dirname(path)
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            with open(path, "wb") as file:
                file.write(content)
            if executable:
                os.chmod(path, 0o755)  # noqa: S103
        try:
            os.rename(temporary, self.directory)
        except OSError:  # another process of the job was faster
            import shutil

            shutil.rmtree(temporary, ignore_errors=True)


#: Of this process, and of those that it forks.
finder = Finder()
