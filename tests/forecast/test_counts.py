"""What a forecast counts is what ``workbench count`` counts, from the configs alone."""

from __future__ import annotations

from workbench.forecast.counts import pass_of
from workbench.models.families import family_of
from workbench.runtimes.torch.counting import count_component


def test_every_component_is_counted_exactly(demo, store):
    family = family_of(demo)
    configs = family.configs(demo)
    for part in family.parts:
        found = pass_of(part, configs(part.name), configs, demo / part.folder, store)
        counted = count_component(part, demo / part.folder, part.spec(configs).seeded())
        assert found is not None
        assert (found.macs, found.params, found.layers) == (
            counted.macs_with_attention,
            counted.params,
            len(counted.layers),
        )


def test_a_config_that_nothing_can_be_made_of_is_told_as_uncounted(demo, store):
    family = family_of(demo)
    configs = family.configs(demo)
    broken = {**configs("unet"), "down_block_types": ["NoSuchBlock"] * 4}
    assert pass_of(family.denoiser, broken, configs, None, store) is None


def test_counts_lie_in_a_store_that_has_results_and_nowhere_else(demo, store):
    family = family_of(demo)
    configs = family.configs(demo)
    config = {**configs("unet"), "norm_num_groups": 8}
    assert pass_of(family.denoiser, config, configs, None, store) is not None
    assert not store.root.exists()
    store.compute("k", lambda _out: {})
    pass_of(family.denoiser, {**config, "norm_num_groups": 4}, configs, None, store)
    assert (store.root / "forecast" / "found.json").is_file()
