"""Real trainings with planted faults, and healthy ones beside them: how well the rules see, how soon, how quietly.

    python -m tests.study > docs/detection.md

needs torch (`make study` runs it in the frameworks' environment). Every network here is trained, on scikit-learn's
handwritten digits; its log goes through the engine that watches live runs.
"""
