"""Say how to try two campaigns on a machine with several GPUs, and what to look at there.

`make gpu` runs this last. Nothing is measured: on one GPU there is nothing to try.
"""

import shutil
import subprocess

ADVICE = """\
This machine has {count} GPUs. Two campaigns on half of them each, in two terminals:

    autoresearch run left --devices {left} --max-experiments 12
    autoresearch run right --devices {right} --max-experiments 12

While both train, look at:
- nvidia-smi: one training process on each of these GPUs, and no GPU with two of them;
- autoresearch status left: as many slots as GPUs, each with a run of its own, idle for seconds;
- what a notebook can open: ls /proc/PID/root/dev/nvidia[0-9]* for the PID of each kernel that
  nvidia-smi lists: with the sandbox, the node of its own GPU and no other;
- a third campaign on one of these GPUs (autoresearch run third --devices {left}): they take
  turns, one run each, so that nvidia-smi never shows two training processes on a GPU;
- afterwards, autoresearch status of both: no run was set aside because others computed on its GPU.
"""


def gpus() -> int:
    """Return the number of NVIDIA GPUs that nvidia-smi lists; 0 without nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def main() -> None:
    count = gpus()
    if count < 2:
        print(f"Skipped: two campaigns beside each other need several GPUs; here: {count}.")
        return
    names = [str(at) for at in range(count)]
    half = count // 2
    print(ADVICE.format(count=count, left=",".join(names[:half]), right=",".join(names[half:])))


if __name__ == "__main__":
    main()
