"""Who may sign in, by e-mail address, and what each of them has."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class UserManager(BaseUserManager):
    """Makes users, each with a profile."""

    def create_user(self, email, password=None, **more):
        """Return a new user with an empty profile."""
        user = self.model(email=self.normalize_email(email), **more)
        user.set_password(password)
        user.save(using=self._db)
        Profile.objects.create(user=user)
        return user

    def create_superuser(self, email, password=None, **more):
        """Return a new user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **more)


class User(AbstractBaseUser, PermissionsMixin):
    """A customer. There is no user name."""

    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    objects = UserManager()


class Profile(models.Model):
    """What a customer has with us, in dollars."""

    user = models.OneToOneField(User, models.CASCADE)
    balance = models.DecimalField(max_digits=12, decimal_places=2, default=0)
