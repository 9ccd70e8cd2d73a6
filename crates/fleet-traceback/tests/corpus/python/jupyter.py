# What a notebook's cell prints when it fails, as papermill and nbconvert put it into their logs.
import sys

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors=sys.argv[2] if len(sys.argv) > 2 else "nocolor")
shell.run_cell(f"""def f(x):
    raise ValueError(f'bad x {{x}} of {sys.argv[1]}')

def g():
    try:
        f({sys.argv[1]})
    except ValueError as e:
        raise RuntimeError('no g') from e
g()""")
print("next cell")
shell.run_cell("1 / 0")
