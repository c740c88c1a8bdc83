"""YAML that people write."""

import yaml


def parse_yaml(text: str) -> object:
    """Parse YAML; whatever is wrong with it is a ValueError of one sentence."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (AttributeError, LookupError) as error:  # PyYAML's own, of `!!timestamp x`, `!!bool x`, `!!int ''`
        raise ValueError("a value does not fit its tag, as in `!!bool x`") from error
