"""Recipes: what a network is taught by. One module each; `RECIPES` names them."""

from typing import Final

from retrieval.training.recipes.base import Options, Recipe
from retrieval.training.recipes.deep_ranking import DeepRanking
from retrieval.training.recipes.modern import Modern
from retrieval.training.recipes.siamese import Siamese
from retrieval.training.recipes.triplet import Triplet, TripletClass

RECIPES: Final[dict[str, type[Recipe]]] = {
    recipe.name: recipe for recipe in (Modern, Siamese, Triplet, TripletClass, DeepRanking)
}

__all__ = ["RECIPES", "Options", "Recipe"]
