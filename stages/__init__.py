"""One thin script per stage of dvc.yaml; stages never import each other.

`python -m stages.<name>` runs this file first: it reads params.yaml and sets the instruction caps and the threads
before any stage imports a library that would read them.
"""

from scholar.errors import run
from scholar.params import load_params
from scholar.runtime import configure, end_with_dvc

end_with_dvc()
run(lambda: configure(load_params().runtime))
